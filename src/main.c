// SPDX-License-Identifier: MIT
// Finds the Lua library beside the binary and runs the process.
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "process/process.h"

// In the tree the library is ../../lua, installed it is ../share/perilune/lua; both relative to the
// folder of the binary, wherever it was started from.
static const char *const places[] = {"../../lua", "../share/perilune/lua", "lua"};

static bool find_library(char library[PATH_MAX]) {
  char binary[PATH_MAX];
  ssize_t len = readlink("/proc/self/exe", binary, sizeof binary - 1);
  if (len <= 0) {
    return false;
  }
  binary[len] = '\0';
  *strrchr(binary, '/') = '\0';
  for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
    char place[PATH_MAX], probe[PATH_MAX];
    int at = snprintf(place, sizeof place, "%s/%s", binary, places[i]);
    int end = snprintf(probe, sizeof probe, "%s/%s/perilune/cli/init.lua", binary, places[i]);
    if (at > 0 && end > 0 && end < PATH_MAX && access(probe, R_OK) == 0 &&
        realpath(place, library) != NULL) {
      return true;
    }
  }
  return false;
}

int main(int argc, char **argv) {
  char library[PATH_MAX];
  const char *chosen = getenv("PERILUNE_LIBRARY");
  if (chosen == NULL) {
    if (!find_library(library)) {
      fputs("perilune: no Lua library beside the binary; set PERILUNE_LIBRARY to its folder\n",
            stderr);
      return 1;
    }
    chosen = library;
  }
  return peri_process_run(argc, argv, chosen);
}
