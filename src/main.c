// SPDX-License-Identifier: MIT
// Finds the Lua library beside the binary and runs the process.
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "process/library.h"
#include "process/process.h"

static bool find_folder(char binary[PATH_MAX]) {
  ssize_t len = readlink("/proc/self/exe", binary, PATH_MAX - 1);
  if (len <= 0) {
    return false;
  }
  binary[len] = '\0';
  *strrchr(binary, '/') = '\0';
  return true;
}

int main(int argc, char **argv) {
  char binary[PATH_MAX], library[PATH_MAX], generated[PATH_MAX + 8];
  const char *chosen = getenv("PERILUNE_LIBRARY");
  bool known = find_folder(binary);
  snprintf(generated, sizeof generated, "%s/lua", known ? binary : ".");
  if (chosen == NULL) {
    if (!known || !peri_library_find(binary, library)) {
      fputs("perilune: no Lua library beside the binary; set PERILUNE_LIBRARY to its folder\n",
            stderr);
      return 1;
    }
    chosen = library;
  }
  return peri_process_run(argc, argv, chosen, generated);
}
