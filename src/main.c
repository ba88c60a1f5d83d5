// SPDX-License-Identifier: MIT
// Finds the Lua library beside the binary and runs the process.
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "process/process.h"

// In the tree the library is ../../lua, and what the build generated of it lua; installed it is
// ../share/perilune/lua; all relative to the folder of the binary, wherever it was started from.
static const char *const places[] = {"../../lua", "../share/perilune/lua"};

static bool find_folder(char binary[PATH_MAX]) {
  ssize_t len = readlink("/proc/self/exe", binary, PATH_MAX - 1);
  if (len <= 0) {
    return false;
  }
  binary[len] = '\0';
  *strrchr(binary, '/') = '\0';
  return true;
}

static bool find_library(const char *binary, char library[PATH_MAX]) {
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
  char binary[PATH_MAX], library[PATH_MAX], generated[PATH_MAX + 8];
  const char *chosen = getenv("PERILUNE_LIBRARY");
  bool known = find_folder(binary);
  snprintf(generated, sizeof generated, "%s/lua", known ? binary : ".");
  if (chosen == NULL) {
    if (!known || !find_library(binary, library)) {
      fputs("perilune: no Lua library beside the binary; set PERILUNE_LIBRARY to its folder\n",
            stderr);
      return 1;
    }
    chosen = library;
  }
  return peri_process_run(argc, argv, chosen, generated);
}
