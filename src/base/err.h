// SPDX-License-Identifier: MIT
// Error codes as negative ints. A function returns 0 or a positive count on success and one of the
// PERI_E* values on failure; PERI_AGAIN is not an error. There is no "last error".
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/err_defs.h"

enum {
  PERI_OK = 0,
#define X(name, number, retry, grpc, http, jsonrpc, text) PERI_E##name = -(number),
  PERI_CODES(X)
#undef X
};

// Accepted, not finished: the completion comes later, exactly once.
#define PERI_AGAIN 1

// An error with prose, in the caller's memory. Functions that take one accept NULL.
typedef struct peri_err {
  int code;  // PERI_E*, 0 when unused
  char text[256];
} peri_err;

// Sets `err` (if not NULL) and returns `code`, so that a failure is one statement.
int peri_fail(peri_err *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// "NOT_FOUND" for PERI_ENOT_FOUND; "OK" for 0; "UNKNOWN" for anything else. Static text.
const char *peri_code_name(int code);
// A short sentence for the code. Static text.
const char *peri_code_text(int code);
// The PERI_E* of a name, or 1 (no such name).
int peri_code_by_name(const char *name);
// True when the code alone says that the server did not run the call.
bool peri_code_retry(int code);
// The number other protocols use for `code`; `map` is one of the PERI_MAP_* kinds.
enum { PERI_MAP_GRPC, PERI_MAP_HTTP, PERI_MAP_JSONRPC };
int peri_code_map(int code, int map);
