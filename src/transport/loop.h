// SPDX-License-Identifier: MIT
// One thread's event loop and the shape of its turn:
//
//   poll -> read every readable channel (frames are cut, work is queued by the owner), messages
//        -> timers that are due
//        -> drain: `on_drain`, the one place where queued work runs; every turn, before it blocks
//        -> flush: each touched channel is written once
//        -> poll again; without blocking while `on_drain` says that work is left
//
// Nothing above this layer is entered from inside a libuv callback except to queue. A loop belongs
// to the thread that runs it; another thread may only call peri_loop_post and its like.
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/block.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/owner.h"
#include "transport/wheel.h"

typedef struct peri_loop peri_loop;

// A message from another thread. The memory is the poster's until `run` is called on the loop's
// thread; from then on it belongs to `run`.
typedef struct peri_message {
  struct peri_message *next;
  void (*run)(struct peri_message *message, peri_loop *loop);
} peri_message;

struct peri_loop {
  uv_loop_t uv;
  uint64_t now_ns;         // hrtime at the start of this turn; refresh with peri_loop_update
  uint64_t turns;          // turns since start; a supervisor sees a stuck loop by it (atomic)
  peri_wheel *wheel;       // owned; its clock is now_ns / 1e6
  peri_list touched;       // channels to flush at the end of this turn (channel.c)
  peri_block *read_block;  // where channels without a partial unit read into, NULL at first
  uint64_t partial;        // bytes in blocks of channels whose unit lacks its rest
  peri_random random;      // seeded per loop
  // Runs queued work for at most one slice; returns true when work is left. May be NULL.
  bool (*on_drain)(peri_loop *loop, void *arg);
  void *on_drain_arg;
  void *user;                     // of the owner (the worker)
  struct peri_loop_state *state;  // private, see loop_priv.h
  peri_owner owner;               // the thread that runs it, that of peri_loop_init
};

// Initialises in place. Returns 0 or PERI_ESYSTEM. Ignores SIGPIPE unless the process handles it.
int peri_loop_init(peri_loop *loop);
// Runs until peri_loop_stop, then returns. Handles stay open; the owner closes what it opened.
void peri_loop_run(peri_loop *loop);
// One turn; blocks for at most `timeout_ms` (0 = does not block). For specs and embedding.
void peri_loop_turn(peri_loop *loop, uint64_t timeout_ms);
// Makes peri_loop_run return after this turn. Loop thread.
void peri_loop_stop(peri_loop *loop);
// On the loop's thread, or on one that has joined it. Closes internal handles, runs the loop until
// every handle is closed, frees. All channels and listeners of the loop must have been closed (the
// close may still be pending). Returns the number of handles the owner forgot, 0 when clean. What is on
// the thread pool (the look-up of a name) cannot be taken back and may take as long as it likes: when it
// does not end in a quarter of a second, PERI_ETIMEOUT is returned and nothing is freed.
int peri_loop_fini(peri_loop *loop);
// Any thread: queues `message` (keeps it until run) and wakes the loop. After peri_loop_stop
// messages are still accepted; fini runs what is left.
void peri_loop_post(peri_loop *loop, peri_message *message);
// Any thread: the same without waking a loop that sleeps, for who has more to leave; owes a
// peri_loop_wake soon. A loop that turns for another reason runs it before.
void peri_loop_leave(peri_loop *loop, peri_message *message);
// Any thread. A loop that does not sleep looks by itself before it does.
void peri_loop_wake(peri_loop *loop);
// Asks for another drain before the loop blocks (work was queued outside a turn, or by on_drain
// itself after its slice).
void peri_loop_want_drain(peri_loop *loop);
// Reads the clock again. Turn code that ran long calls this before it decides on time.
void peri_loop_update(peri_loop *loop);
static inline uint64_t peri_loop_now_ms(const peri_loop *loop) {
  return loop->now_ns / 1000000u;
}
// Arms on loop->wheel and makes sure that the loop wakes for it.
void peri_loop_arm(peri_loop *loop, peri_timer *timer, uint64_t delay_ms);
void peri_loop_cancel(peri_loop *loop, peri_timer *timer);
