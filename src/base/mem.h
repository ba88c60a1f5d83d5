// SPDX-License-Identifier: MIT
// Memory of the control plane: these abort when the system has none left, because a process that
// cannot allocate its own bookkeeping cannot keep a promise either. Anything whose size a peer
// chooses is bounded by configuration first and allocated with plain malloc, so that failure is an
// answer (PERI_ENO_MEMORY).
#pragma once
#include <stddef.h>

void *peri_malloc(size_t size);
void *peri_calloc(size_t count, size_t size);
void *peri_realloc(void *old, size_t size);
// Zeroed, and beginning where a line of the cache does; for what is touched by every call.
void *peri_calloc_lines(size_t size);
char *peri_strdup(const char *text);
// Copies `len` bytes and adds a terminating zero. Returns owned.
char *peri_strndup(const char *text, size_t len);

// An assertion that stays on in every build; for our own bugs only, never for what a peer sends.
#define peri_check(cond) ((cond) ? (void)0 : peri_check_failed(#cond, __FILE__, __LINE__))
_Noreturn void peri_check_failed(const char *cond, const char *file, int line);
