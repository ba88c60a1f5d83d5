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
// Where a request has its arguments: in the table at ARGS, or as values behind FIXED when that is nil.
enum { PERI_REQUEST_ARGS = 6, PERI_REQUEST_FIXED = 10 };
// From this bit of its flags on stands the number of its declared types (argument_types.h).
enum { PERI_REQUEST_TYPES_SHIFT = 4 };
// Sees to it that they lie on the top as values. Returns their number, negative when there are too many.
int peri_request_spread(lua_State *co);
// Nothing is waited for: a one-way call was sent, or (code < 0) a call could not be.
void peri_request_sent(peri_vm *vm, peri_fiber *fiber, int code, const peri_err *err);
// Ends a wait before it began: the fiber sees it in a later turn like any other failure. `message` may
// be NULL, `outcome` is 'NOT_SENT', 'REFUSED' or 'UNKNOWN'.
void peri_wait_fail(peri_vm *vm, peri_fiber *fiber, int code, const char *message,
                    const char *outcome);
