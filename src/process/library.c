// SPDX-License-Identifier: MIT
#include "process/library.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *const places[] = {"../../lua", "../share/perilune/lua",
                                     "../../share/perilune/lua"};

bool peri_library_find(const char *folder, char library[PATH_MAX]) {
  for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
    char place[PATH_MAX], probe[PATH_MAX];
    int at = snprintf(place, sizeof place, "%s/%s", folder, places[i]);
    int end = snprintf(probe, sizeof probe, "%s/%s/perilune/cli/init.lua", folder, places[i]);
    if (at > 0 && end > 0 && end < PATH_MAX && access(probe, R_OK) == 0 &&
        realpath(place, library) != NULL) {
      return true;
    }
  }
  return false;
}
