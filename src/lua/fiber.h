// SPDX-License-Identifier: MIT
// Fibers: pooled coroutines that run one task after the other. A task is one function call: the
// chain of a request, a spawned function, a callback. The function is the coroutine's own: LuaJIT
// resumes a coroutine that returned with a new function as if it were fresh, which saves the frame
// of a loop around it, and with it a doubling of the stack of each waiting call.
// A fiber that waits is parked on exactly one thing; what ends the wait only queues it, and the
// drain resumes it.
//
//   FREE -> (task) RUNNING -> FREE
//                    |  ^
//              yield v  | resume, from the drain
//                  PARKED -> READY
#pragma once
#include <lua.h>
#include <stdbool.h>

#include "base/list.h"
#include "base/slots.h"
#include "base/timer_defs.h"

struct peri_vm;
struct peri_fiber;

typedef enum peri_fiber_state {
  PERI_FIBER_FREE,
  PERI_FIBER_RUNNING,
  PERI_FIBER_PARKED,
  PERI_FIBER_READY,
} peri_fiber_state;

// What a fiber can wait for. Lua yields (core.WAIT, number, arguments...). Keep the numbers in step
// with lua/perilune/fiber.lua through core.waits.
typedef enum peri_wait {
  PERI_WAIT_NONE,
  PERI_WAIT_START,    // has a task on its stack, waits for its first turn
  PERI_WAIT_SLEEP,    // ms, 0 = until the next turn
  PERI_WAIT_PARK,     // ms or nil
  PERI_WAIT_REQUEST,  // see lua/request.c
  PERI_WAIT_CONNECT,
  PERI_WAIT_SESSION,
} peri_wait;

typedef struct peri_fiber {
  peri_id id;
  lua_State *co;  // anchored by `ref`
  int ref;
  uint32_t generation;     // of the scripts whose work it does, 0 = the library's own; see belong
  int16_t code;            // how the wait ended, 0 or PERI_E*
  int16_t cancelled;       // 0 or the code that every further wait ends with
  uint8_t state;           // peri_fiber_state
  uint8_t wait;            // peri_wait
  uint8_t int64 : 2;       // of REQUEST: peri_int64_mode of the reply
  uint8_t exact : 1;       // of REQUEST: types are declared
  bool pooled : 1;         // in fibers->free
  bool serves : 1;         // it is the fiber that answers `call`
  bool begun : 1;          // a network wait was accepted: its results come from `future` or `op`
  struct peri_call *call;  // borrowed: what this fiber works for, NULL = none; reset when it ends
  uint64_t deadline_ns;    // inherited by what it starts; 0 = none
  uint64_t since_ns;       // parked since
  peri_timer timer;        // of SLEEP and PARK
  union {
    peri_id future;  // of REQUEST
    void *op;        // of CONNECT and SESSION
  };
  const struct peri_serializer *reads;  // of REQUEST: the session's, among those of one id
  struct peri_vm *vm;
  peri_list queue;    // in fibers->ready
  peri_list of_call;  // in call->fibers
} peri_fiber;

// What a generation of scripts still has to do in this VM.
typedef struct peri_held {
  uint32_t calls;   // in progress
  uint32_t fibers;  // all of it, those of calls among them
} peri_held;

struct peri_fibers {
  peri_slots slots;
  peri_list ready;
  peri_list later;  // ready in the next turn: fibers that gave way with a wait of 0 ms
  peri_list free;   // through `queue`
  uint32_t pooled;
  uint32_t generation;  // the current one: what belongs to an older one is asked to end
  peri_held held[2];    // by generation & 1: there are at most two
  peri_fiber *running;
};

// A fiber from the pool, or a new one; NULL when the limit is reached or Lua has no memory.
peri_fiber *peri_fiber_take(struct peri_vm *vm);
// Starts (the function lies below) or continues: `nargs` values are on fiber->co. Returns when it parks or is done.
void peri_fiber_resume(struct peri_vm *vm, peri_fiber *fiber, int nargs);
// Gives back a fiber whose task was never started.
void peri_fiber_discard(struct peri_vm *vm, peri_fiber *fiber);
// Queues a fiber whose task (function and two values) is on its stack.
void peri_fiber_start(struct peri_vm *vm, peri_fiber *fiber);
// Ends the wait of a parked fiber with `code`; it runs in this turn's drain.
void peri_fiber_wake(struct peri_vm *vm, peri_fiber *fiber, int code);
// The same in a later turn, so that a script which goes on waiting after its end cannot spin.
void peri_fiber_wake_later(struct peri_vm *vm, peri_fiber *fiber, int code);
// Ends what it waits for now and everything it will wait for later.
void peri_fiber_cancel(struct peri_vm *vm, peri_fiber *fiber, int code);
// Fibers made by `fiber` inherit call, deadline and cancellation.
void peri_fiber_inherit(peri_fiber *child, const peri_fiber *parent);
// It works for that generation until its task is done, and is counted there. Once per task.
static inline void peri_fiber_belong(struct peri_fibers *fibers, peri_fiber *fiber,
                                     uint32_t generation) {
  fiber->generation = generation;
  if (generation != 0) {
    fibers->held[generation & 1].fibers++;
  }
}
// Ends what fibers of that generation wait for that work for no call.
void peri_fiber_cancel_background(struct peri_vm *vm, uint32_t generation);
// ms left of the deadline, capped at `most`; `most` when there is none; 0 when it passed.
double peri_fiber_left(const struct peri_vm *vm, const peri_fiber *fiber, double most);
// Begins a turn: what gave way in the last one is ready now.
void peri_fiber_turn(struct peri_vm *vm);
// Resumes the first fiber that is ready; false when none is.
bool peri_fiber_run_ready(struct peri_vm *vm);
// This turn took so long that requests which were sent in it would end too early, for time-outs count
// from its beginning: reads the clock again and lets them wait from now on, up to their deadlines.
void peri_fiber_catch_up(struct peri_vm *vm);

// Ids as Lua numbers: exact in a double, 0 for none.
static inline double peri_id_to_lua(peri_id id) {
  return (double)((((id >> 32) & 0x1fffffu) << 32) | (uint32_t)id);
}
// The fiber of such a number, or NULL.
peri_fiber *peri_fiber_by_number(struct peri_vm *vm, double number);
void *peri_slots_by_number(const peri_slots *slots, double number);
