// SPDX-License-Identifier: MIT
// What loop.c keeps, shared with the files of this folder and nobody else.
#pragma once
#include <stdatomic.h>

#include "base/buf.h"
#include "transport/loop.h"

enum {
  PERI_READ_BLOCK = 256 * 1024,  // bytes of the block that idle channels read into
  PERI_KEPT_BLOCK = 32 * 1024,   // bytes of the smallest block worth keeping
  PERI_KEPT_BLOCKS = 32,         // blocks kept, none larger than PERI_READ_BLOCK
  PERI_OUT_POOL = 16,            // output buffers kept for the next channel that writes
  PERI_OUT_KEEP = 512 * 1024,    // bytes of the largest worth keeping: a full read's, doubled
};

struct peri_loop_state {
  uv_prepare_t prepare;
  uv_check_t check;
  uv_idle_t idle;    // active while the loop must not block
  uv_timer_t timer;  // bounds the poll by the wheel's next stop
  uv_timer_t guard;  // bounds one peri_loop_turn
  uv_poll_t wake;    // of wake_fd
  int wake_fd;
  _Atomic bool asleep;             // polls, or is about to: who posts has to wake it
  _Atomic(peri_message *) posted;  // newest first
  peri_list ready;                 // channels with input that no descriptor announces
  peri_list closing;               // channels without a descriptor whose `closed` is due
  peri_list inproc;                // in-process listeners
  uint64_t timer_at;               // loop time `timer` is armed for, UINT64_MAX when it is not
  uint32_t inproc_open;            // in-process channels not closed yet
  uint32_t pooled;                 // buffers in `pool`
  bool fresh;                      // now_ns belongs to this turn
  bool wanted;                     // a drain was asked for since the last one began
  bool left;                       // the last drain left work
  bool stopped;
  peri_buf pool[PERI_OUT_POOL];        // empty, with memory
  peri_block *kept[PERI_KEPT_BLOCKS];  // one reference each; NULL: not made
  uint32_t next_kept;                  // the one to let go when all are in use
};

// The clock of this turn, read once. Every callback that enters code above calls it first.
static inline void peri_loop_enter(peri_loop *loop) {
  if (!loop->state->fresh) {
    loop->state->fresh = true;
    peri_loop_update(loop);
  }
}

// In loop_memory.c. Gives `buf` memory from the pool if it has none; takes it back when it is empty.
void peri_loop_lend(peri_loop *loop, peri_buf *buf);
void peri_loop_take_back(peri_loop *loop, peri_buf *buf);

// A block of at least `cap` bytes and at most twice as many, one that nobody points into any more
// where there is such a one. Returns owned, or NULL when the system has no memory.
peri_block *peri_loop_take_block(peri_loop *loop, uint32_t cap);
// At the end: what the loop keeps, and read_block.
void peri_loop_free_memory(peri_loop *loop);

// In channel.c: what a turn does with the channels of the lists above.
void peri_channels_deliver(peri_loop *loop);
void peri_channels_reap(peri_loop *loop);
void peri_channels_flush(peri_loop *loop);
