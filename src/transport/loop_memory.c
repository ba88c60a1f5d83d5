// SPDX-License-Identifier: MIT
// Memory that a loop keeps to use it again: buffers that channels write, blocks that they read into.
#include "transport/loop_priv.h"

void peri_loop_lend(peri_loop *loop, peri_buf *buf) {
  peri_owner_check(&loop->owner);
  struct peri_loop_state *state = loop->state;
  if (buf->cap == 0 && state->pooled != 0) {
    *buf = state->pool[--state->pooled];
  }
}

void peri_loop_take_back(peri_loop *loop, peri_buf *buf) {
  peri_owner_check(&loop->owner);
  struct peri_loop_state *state = loop->state;
  if (buf->cap == 0 || buf->cap > PERI_OUT_KEEP || state->pooled == PERI_OUT_POOL) {
    peri_buf_fini(buf);
    return;
  }
  buf->len = 0;
  state->pool[state->pooled++] = *buf;
  *buf = (peri_buf){0};
}

static void keep_block(peri_block **place, peri_block *block) {
  if (*place != NULL) {
    (*place)->kept = 0;
    peri_block_unref(*place);
  }
  if (block != NULL) {
    block->kept = 1;
    peri_block_ref(block);
  }
  *place = block;
}

// Memory from the system costs a page fault every 4 KiB, several times what reading into it does.
// The first that fits is taken, so that few are in use and those are in the cache.
peri_block *peri_loop_take_block(peri_loop *loop, uint32_t cap) {
  struct peri_loop_state *state = loop->state;
  if (cap < PERI_KEPT_BLOCK || cap > PERI_READ_BLOCK) {
    return peri_block_new(cap);
  }
  peri_block **place = NULL;
  for (uint32_t i = 0; i < PERI_KEPT_BLOCKS && (place == NULL || *place != NULL); i++) {
    peri_block *block = state->kept[i];
    if (block == NULL) {
      place = &state->kept[i];  // none lies behind an empty place
    } else if (block->refs == 1 && block->cap >= cap && block->cap / 2 <= cap) {
      block->used = 0;
      return peri_block_ref(block);
    } else if (block->refs == 1 && place == NULL) {
      place = &state->kept[i];
    }
  }
  if (place == NULL) {
    place = &state->kept[state->next_kept++ % PERI_KEPT_BLOCKS];
  }
  peri_block *block = peri_block_new(cap);
  if (block != NULL) {
    keep_block(place, block);
  }
  return block;
}

void peri_loop_free_memory(peri_loop *loop) {
  struct peri_loop_state *state = loop->state;
  while (state->pooled != 0) {
    peri_buf_fini(&state->pool[--state->pooled]);
  }
  peri_block_unref(loop->read_block);
  for (uint32_t i = 0; i < PERI_KEPT_BLOCKS; i++) {
    keep_block(&state->kept[i], NULL);
  }
}
