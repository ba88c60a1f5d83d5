// SPDX-License-Identifier: MIT
// A future is a slot that is completed exactly once: by an answer, an error, its deadline or a
// cancellation, whichever is first. It knows its result as bytes and a code, its waiter as a
// callback; Lua and fibers are built on top. Completing what is already complete, or over, does
// nothing but count (`late`). One thread.
//
//   new -> PENDING --complete/timeout/cancel--> DONE --release--> (id is over)
//             +-- answer --> ANSWERED --complete--^
//
// The waiter's `done` is called exactly once per future that was accepted, inside the call that
// completes it; it must only queue. After `done` the owner of the future releases it.
#pragma once
#include "base/block.h"
#include "base/err.h"
#include "base/slots.h"
#include "base/timer_defs.h"

typedef struct peri_future peri_future;

// What only waits and what is only known afterwards share their place: there may be a hundred thousand.
struct peri_future {
  union {
    peri_timer deadline;  // while PENDING
    struct {
      peri_bytes body;     // result as it came
      peri_bytes message;  // text of the error
    };
  };
  peri_bytes attachments;  // encoded, in the serialization of the head
  peri_block *block;       // keeps body, message, attachments alive; dropped by release
  peri_id id;
  struct peri_futures *table;         // the table it lives in
  void (*done)(peri_future *future);  // set by the owner before the future can complete
  void *owner;                        // of `done`: a fiber, a test
  void *conn;           // connection that carries the call, NULL if none; for the owner
  uint64_t stream;      // on that connection
  void *user;           // free for the owner
  uint64_t began_ns;    // free for the owner: when it was sent
  int code;             // 0 or PERI_E*, valid when DONE
  uint8_t state;        // PERI_FUTURE_*
  uint8_t serializer;   // of `body`
  uint8_t compression;  // of `body`
  uint8_t flags;        // PERI_FUTURE_NOT_RUN ...
};

enum { PERI_FUTURE_PENDING = 1, PERI_FUTURE_ANSWERED, PERI_FUTURE_DONE };
enum {
  PERI_FUTURE_NOT_RUN = 1,  // never sent, or the server says that it did not run the call
};

typedef struct peri_futures {
  peri_slots slots;
  // How deadlines are armed: the loop's functions in a worker, the wheel's in a spec.
  void (*arm)(void *timers, peri_timer *timer, uint64_t delay_ms);
  void (*disarm)(void *timers, peri_timer *timer);
  void *timers;        // borrowed
  uint64_t completed;  // counters
  uint64_t timeouts;
  uint64_t cancelled;
  uint64_t late;  // completions that came too late, dropped
} peri_futures;

// `limit`: most futures at once. The caller then sets arm, disarm and timers.
void peri_futures_init(peri_futures *futures, uint32_t limit);
// Every future must have been released.
void peri_futures_fini(peri_futures *futures);
// Returns the pending future (borrowed until released), or NULL when the limit is reached.
peri_future *peri_future_new(peri_futures *futures, void (*done)(peri_future *), void *owner);
// Arms or moves the deadline.
void peri_future_arm(peri_futures *futures, peri_future *future, uint64_t delay_ms);
// NULL when `id` is over.
static inline peri_future *peri_future_get(peri_futures *futures, peri_id id) {
  return (peri_future *)peri_slots_get(&futures->slots, id);
}
// Takes the deadline away from a pending future, so that the caller can set its result (body, message,
// block ...); peri_future_finish or peri_future_complete must follow at once. NULL when it is complete
// already or over.
peri_future *peri_future_answer(peri_futures *futures, peri_id id);
// Completes what peri_future_answer gave.
void peri_future_finish(peri_futures *futures, peri_future *future, int code);
// Completes with `code`; returns 1, or 0 (counted late) when it was complete already or is over.
int peri_future_complete(peri_futures *futures, peri_id id, int code);
// Completes with PERI_ECANCELLED.
int peri_future_cancel(peri_futures *futures, peri_id id);
// Drops the block, ends the id. A pending future is dropped without calling `done`.
void peri_future_release(peri_futures *futures, peri_future *future);
