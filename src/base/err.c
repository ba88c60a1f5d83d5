// SPDX-License-Identifier: MIT
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef struct code_row {
  int code;
  bool retry;
  int maps[3];
  const char *name;
  const char *text;
} code_row;

// clang-format off
static const code_row rows[] = {
    {0, false, {0, 200, 0}, "OK", "ok"},
#define X(name, number, retry, grpc, http, jsonrpc, text)                                          \
  {-(number), (retry) != 0, {grpc, http, jsonrpc}, #name, text},
    PERI_CODES(X)
#undef X
};
// clang-format on

static const code_row *row_of(int code) {
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    if (rows[i].code == code) {
      return &rows[i];
    }
  }
  return row_of(PERI_EUNKNOWN);
}

int peri_fail(peri_err *err, int code, const char *format, ...) {
  if (err != NULL) {
    va_list args;
    va_start(args, format);
    err->code = code;
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
  }
  return code;
}

const char *peri_code_name(int code) {
  return row_of(code)->name;
}

const char *peri_code_text(int code) {
  return row_of(code)->text;
}

int peri_code_by_name(const char *name) {
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    if (strcmp(rows[i].name, name) == 0) {
      return rows[i].code;
    }
  }
  return 1;
}

bool peri_code_retry(int code) {
  return row_of(code)->retry;
}

int peri_code_map(int code, int map) {
  return row_of(code)->maps[map];
}
