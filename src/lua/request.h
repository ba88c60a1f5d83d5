// SPDX-License-Identifier: MIT
// The waits that reach the network: connect, negotiate a session, send a request. Each is begun by a
// fiber's yield, ends exactly once, and gives its results when the fiber is resumed.
#pragma once
#include "lua/vm.h"

// A client connection as Lua knows it: a number.
typedef struct peri_link {
  peri_id id;
  peri_vm *vm;
  peri_conn *conn;  // NULL once closed
  int on_close;     // refs, LUA_NOREF when absent
  int on_drain;
  peri_list offers;  // functions that the peer may call (lua/callback.c)
  uint32_t offered;
  uint32_t offer_number;  // the last one given; 0 unless PERI_CALLBACK_BY_TYPE
} peri_link;

// fiber->wait and the stack say what; parks or wakes the fiber.
void peri_request_begin(peri_vm *vm, peri_fiber *fiber);
// Ends the wait of a fiber whose network wait has begun; what it waited for is let go.
void peri_request_cancel(peri_vm *vm, peri_fiber *fiber, int code);
// The fiber's request, if it waits for one, waits from now on: `was_ms` is the loop's time when it was
// sent.
void peri_request_catch_up(peri_vm *vm, const peri_fiber *fiber, uint64_t was_ms);
// Pushes the results of the wait; false, code, message, outcome when it failed.
int peri_request_push(peri_vm *vm, peri_fiber *fiber, lua_State *co);
// Is there room for another connection of this VM, of either kind?
bool peri_request_may_connect(const peri_vm *vm);
// core.disconnect and friends.
extern const luaL_Reg peri_request_functions[];
// Connects still under way at the end of the VM: what they give is closed.
void peri_request_abandon(peri_vm *vm);
// Closes every client connection.
void peri_request_close_all(peri_vm *vm);
