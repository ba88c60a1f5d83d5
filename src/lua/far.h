// SPDX-License-Identifier: MIT
// Functions of a peer in the hands of an executor. Its connection is another worker's, the home of
// the call that brought it: calls of the function travel there as messages, are sent from there,
// and the answers travel back. Each object in an executor is one reference of its function at home
// (peri_callback.refs).
#pragma once
#include "entry/executor.h"
#include "lua/callback.h"

typedef struct peri_far {
  peri_loop *home;
  peri_id callback;   // of the home
  uint32_t refs;      // the home's: its callback, and what executors hold or are about to
  _Atomic bool gone;  // the connection is
  bool native;
  const char *function_class;  // of its connection's protocol
} peri_far;

static inline bool peri_callback_is_far(const peri_vm *vm, const peri_callback *callback) {
  return callback->far != NULL && callback->far->home != vm->loop;
}

// What a job brings along. `names` is the call's text, `far` one for each name in it.
typedef struct peri_far_lent {
  peri_lent lent;
  uint8_t serializer;
  uint32_t count, taken;
  peri_far *far[];
} peri_far_lent;

// Home: for `count` functions that `callbacks` says. Returns owned; they have one reference each
// for it.
peri_lent *peri_far_lend(peri_vm *vm, const char *names, peri_callback **callbacks, uint32_t count);
// The home: its callback is over.
void peri_far_unref(peri_far *far);
// Any thread: one that holds it holds it no more.
void peri_far_give_back(peri_far *far);
// (WAIT, REQUEST, callback, 0, method, args, timeout, attachments, flags): parks or wakes the
// fiber. The results are those of a request.
void peri_far_begin(peri_vm *vm, peri_fiber *fiber, const peri_callback *callback,
                    void (*done)(peri_future *future));
