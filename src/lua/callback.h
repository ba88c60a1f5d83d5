// SPDX-License-Identifier: MIT
// Functions as arguments. The consumer offers a function: it gets a number on the connection that
// carries the call, and the provider's calls of that number run it here like any call (peri_server).
// The provider's handler gets a callable object in its place; calling it is a request in the other
// direction. What ends an offer: the provider releases it (its object was closed or collected), the
// script does, the call was not run, or the connection ends. Numbers are slot and generation: a call
// of one that is over finds nothing.
#pragma once
#include "entry/executor.h"
#include "lua/request.h"

// One of our functions that a peer may call.
typedef struct peri_offer {
  peri_id id;
  peri_link *link;
  uint32_t number;  // on the wire; 0 = that of the id
  int fn;           // ref
  uint64_t stream;  // of the call that carried it
  peri_list of_link;
} peri_offer;

enum { PERI_CALLBACK_NAME_MAX = 511 };

// A function of a peer that scripts hold, one per connection and name however many objects stand for it.
typedef struct peri_callback {
  peri_id id;
  struct peri_far *far;  // lua/far.h: of another worker's, or executors hold this one; or NULL
  peri_conn *conn;       // NULL once closed
  peri_list of_conn;
  peri_list over;  // in vm->callbacks_over while no object is left
  uint32_t refs;   // objects
  uint8_t serializer;
  char *name;  // on the wire; owned
} peri_callback;

// One of the names in a call's text.
typedef struct peri_callback_name {
  char text[PERI_CALLBACK_NAME_MAX + 1];
  int index;  // of the argument, 0 = not said
} peri_callback_name;

// Cuts the first name off `text`; NULL when it is none.
const char *peri_callback_name_read(const char *text, peri_callback_name *out);

void peri_callbacks_init(peri_vm *vm, uint32_t per_conn);
// After lua_close.
void peri_callbacks_fini(peri_vm *vm);
// Tells the peers of objects that were collected. Once per turn.
void peri_callbacks_sweep(peri_vm *vm);

// --- consumer
// Offers each function among the `count` values from `first` on, puts nil in its place and appends the
// names for event->callback to `text`. JoyRPC's peers (neither `native` nor PERI_CALLBACK_BY_TYPE)
// get one at most. On failure nothing is offered.
int peri_callbacks_offer(peri_link *link, lua_State *co, int first, int count, uint64_t stream,
                         bool native, peri_buf *text, peri_err *err);
// The call of that stream was not run: its offers end.
void peri_callbacks_unoffer(peri_link *link, uint64_t stream);
void peri_callbacks_revoke_all(peri_link *link);
// An OPEN with PERI_EV_CALLBACK: a call of a function, or the release of some.
void peri_callback_serve(peri_link *link, const peri_event *event);

// --- provider
// Puts objects in place of the functions that call->callback names among the `count` arguments from
// `first` on.
int peri_callbacks_adopt(peri_vm *vm, peri_call *call, lua_State *co, int first, int count,
                         peri_err *err);
// The same for a call that goes to an executor: what its job takes along.
int peri_callbacks_lend(peri_vm *vm, peri_call *call, peri_lent **lent, peri_err *err);
// One of the references of a callback ends; nothing when it is over.
void peri_callback_drop(peri_vm *vm, peri_id id);
// The callback that the object at `index` stands for; NULL when it is closed or no such object.
peri_callback *peri_callback_at(peri_vm *vm, lua_State *L, int index);
// The connection is gone; objects stay and say so.
void peri_callbacks_gone(peri_accepted *accepted);

extern const luaL_Reg peri_callback_functions[];
extern const luaL_Reg peri_offer_functions[];
