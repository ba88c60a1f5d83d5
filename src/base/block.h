// SPDX-License-Identifier: MIT
// A reference-counted block of bytes: what the transport reads into, what a request that outlives
// its turn holds on to. Counts are plain ints: a block belongs to one thread. Bytes that must cross
// threads are copied.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

typedef struct peri_block {
  uint32_t refs;
  uint32_t cap;   // bytes in data
  uint32_t used;  // bytes already handed out or filled, by the owner's convention
  uint32_t kept;  // 1 while its loop holds a reference of its own, to use the memory again
  uint8_t data[];
} peri_block;

// Returns owned (one reference), or NULL when the system has no memory.
peri_block *peri_block_new(uint32_t cap);
// A block that holds a copy of `bytes`. Returns owned, or NULL.
peri_block *peri_block_copy(peri_bytes bytes);
void peri_block_free(peri_block *block);

static inline peri_block *peri_block_ref(peri_block *block) {
  block->refs++;
  return block;
}

// Drops a reference; NULL is allowed.
static inline void peri_block_unref(peri_block *block) {
  if (block != NULL && --block->refs == 0) {
    peri_block_free(block);
  }
}

// True when nobody else points into a block that the caller has one reference on.
static inline bool peri_block_is_alone(const peri_block *block) {
  return block->refs == 1 + block->kept;
}

// Bytes and blocks now alive in this process, for limits and leak checks.
uint64_t peri_block_bytes(void);
uint64_t peri_block_count(void);
