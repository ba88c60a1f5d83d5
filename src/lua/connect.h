// SPDX-License-Identifier: MIT
// The waits for a connection and for a session: private to lua/request.c, which begins every network
// wait and gives its results.
#pragma once
#include "lua/request.h"

// fiber->wait and its stack say what; parks or wakes the fiber.
void peri_connect_begin(peri_vm *vm, peri_fiber *fiber);
void peri_session_begin(peri_vm *vm, peri_fiber *fiber);
// Push the results of a wait that was begun; return their count.
int peri_connect_push(peri_vm *vm, peri_fiber *fiber, lua_State *co);
int peri_session_push(peri_vm *vm, peri_fiber *fiber, lua_State *co);
// Places of what a request yields. Its arguments are in the table at ARGS, or values behind FIXED when
// that is nil.
enum {
  PERI_REQUEST_CALLEE = 3,  // connection, callback, or `true` for a service of this process
  PERI_REQUEST_SESSION,     // of the connection; the number of the service
  PERI_REQUEST_METHOD,
  PERI_REQUEST_ARGS,
  PERI_REQUEST_TIMEOUT,  // ms
  PERI_REQUEST_ATTACHMENTS,
  PERI_REQUEST_FLAGS,
  PERI_REQUEST_COUNTERS,    // of the node; the name of the serialization in this process
  PERI_REQUEST_FIXED = 10,  // number of the places
};
// Its flags. From INT64_SHIFT on stand two bits, peri_int64_mode of the reply; from TYPES_SHIFT on the
// number of its declared types (argument_types.h).
enum {
  PERI_REQUEST_ONEWAY = 1,
  PERI_REQUEST_GENERIC = 8,
  PERI_REQUEST_INT64_SHIFT = 1,
  PERI_REQUEST_TYPES_SHIFT = 4,
};
// Sees to it that the arguments lie on the top as values. Returns their number, negative when there
// are too many.
int peri_request_spread(lua_State *co);
// Nothing is waited for: a one-way call was sent, or (code < 0) a call could not be.
void peri_request_sent(peri_vm *vm, peri_fiber *fiber, int code, const peri_err *err);
// Ends a wait before it began: the fiber sees it in a later turn like any other failure. `message` may
// be NULL, `outcome` is 'NOT_SENT', 'REFUSED' or 'UNKNOWN'.
void peri_wait_fail(peri_vm *vm, peri_fiber *fiber, int code, const char *message,
                    const char *outcome);
