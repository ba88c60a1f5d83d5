// SPDX-License-Identifier: MIT
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *or_abort(void *memory) {
  if (memory == NULL) {
    fputs("perilune: out of memory\n", stderr);
    abort();
  }
  return memory;
}

void *peri_malloc(size_t size) {
  return or_abort(malloc(size != 0 ? size : 1));
}

void *peri_calloc(size_t count, size_t size) {
  return or_abort(calloc(count != 0 ? count : 1, size != 0 ? size : 1));
}

void *peri_calloc_lines(size_t size) {
  enum { LINE = 64 };
  size = (size + LINE - 1) & ~(size_t)(LINE - 1);
  return memset(or_abort(aligned_alloc(LINE, size)), 0, size);
}

void *peri_realloc(void *old, size_t size) {
  return or_abort(realloc(old, size != 0 ? size : 1));
}

char *peri_strndup(const char *text, size_t len) {
  char *copy = peri_malloc(len + 1);
  if (len != 0) {
    memcpy(copy, text, len);
  }
  copy[len] = '\0';
  return copy;
}

char *peri_strdup(const char *text) {
  return peri_strndup(text, strlen(text));
}

void peri_check_failed(const char *cond, const char *file, int line) {
  fprintf(stderr, "perilune: %s:%d: check failed: %s\n", file, line, cond);
  abort();
}
