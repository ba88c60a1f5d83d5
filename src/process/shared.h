// SPDX-License-Identifier: MIT
// What scripts share on purpose between the VMs of a process: counters and a bounded key-value
// store. One name space; a key first touched by `incr` is a counter and is never evicted, one first
// touched by `set` may be, oldest first, when the store is full. Any thread; the time is handed in
// (ms, monotonic) so that expiry can be tested.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "process/shared_ffi.h"

typedef struct peri_shared peri_shared;

typedef struct peri_shared_limits {
  uint32_t counters;  // most counters, default 65 536
  uint32_t entries;   // most other entries, default 65 536
  uint32_t key;       // bytes of a key, default 255
  uint32_t value;     // bytes of a string value, default 65 536
  size_t bytes;       // of keys and strings together, default 64 MiB
} peri_shared_limits;

#define PERI_SHARED_LIMITS_DEFAULT                                                                 \
  ((peri_shared_limits){65536u, 65536u, 255u, 65536u, (size_t)64u << 20})

typedef enum peri_shared_type {
  PERI_SHARED_NONE,
  PERI_SHARED_NUMBER,
  PERI_SHARED_BOOL,
  PERI_SHARED_STRING,
} peri_shared_type;

typedef struct peri_shared_value {
  peri_shared_type type;
  double number;  // also 0 or 1 for a bool
  char *text;     // get: returned owned (free()); set: borrowed
  size_t len;
} peri_shared_value;

// Returns owned. NULL limits = defaults.
peri_shared *peri_shared_new(const peri_shared_limits *limits);
void peri_shared_free(peri_shared *shared);
// Adds `by`; a missing key counts from 0. With `limit` non-NULL a sum above *limit leaves the
// counter alone and is PERI_ELIMITED. Also PERI_ELIMITED: too many counters; PERI_EBAD_REQUEST: the
// key is too long or holds something that is not a number. *sum is set on success.
int peri_shared_incr(peri_shared *shared, const char *key, size_t key_len, double by,
                     const double *limit, uint64_t now_ms, double *sum);
// type NONE when absent or expired.
peri_shared_value peri_shared_get(peri_shared *shared, const char *key, size_t key_len,
                                  uint64_t now_ms);
// `ttl_ms` 0 = for ever; type NONE removes. PERI_ETOO_BIG when key or value exceed their limits.
int peri_shared_set(peri_shared *shared, const char *key, size_t key_len,
                    const peri_shared_value *value, uint64_t ttl_ms, uint64_t now_ms);
// Entries thrown out because the store was full (expired ones do not count).
uint64_t peri_shared_evicted(peri_shared *shared);
uint32_t peri_shared_count(peri_shared *shared);
