// SPDX-License-Identifier: MIT
#include "base/block.h"

#include <stdatomic.h>
#include <stdlib.h>

static _Atomic uint64_t live_bytes;
static _Atomic uint64_t live_count;

peri_block *peri_block_new(uint32_t cap) {
  peri_block *block = malloc(sizeof *block + cap);
  if (block == NULL) {
    return NULL;
  }
  *block = (peri_block){.refs = 1, .cap = cap};
  atomic_fetch_add_explicit(&live_bytes, cap, memory_order_relaxed);
  atomic_fetch_add_explicit(&live_count, 1, memory_order_relaxed);
  return block;
}

peri_block *peri_block_copy(peri_bytes bytes) {
  peri_block *block = peri_block_new((uint32_t)bytes.len);
  if (block != NULL) {
    if (bytes.len != 0) {
      memcpy(block->data, bytes.ptr, bytes.len);
    }
    block->used = (uint32_t)bytes.len;
  }
  return block;
}

void peri_block_free(peri_block *block) {
  atomic_fetch_sub_explicit(&live_bytes, block->cap, memory_order_relaxed);
  atomic_fetch_sub_explicit(&live_count, 1, memory_order_relaxed);
  free(block);
}

uint64_t peri_block_bytes(void) {
  return atomic_load_explicit(&live_bytes, memory_order_relaxed);
}

uint64_t peri_block_count(void) {
  return atomic_load_explicit(&live_count, memory_order_relaxed);
}
