// SPDX-License-Identifier: MIT
// One Lua VM of one loop: the outer adapter between the C core and Lua. It owns the lua_State, the
// fibers, the provider side (peri_server) and the client connections of its loop. Everything runs on
// the loop's thread; Lua is entered only from peri_vm_drain.
#pragma once
#include <lauxlib.h>
#include <lua.h>

#include "entry/server.h"
#include "lua/fiber.h"

typedef struct peri_vm peri_vm;

typedef struct peri_vm_options {
  const char *role;     // "control" or "worker"; kept
  int worker;           // 0 = control
  int workers;          // of the process
  const char *library;  // folder of the Lua library; kept
  void *process;        // of the process layer, NULL in specs
} peri_vm_options;

// A function of Lua to be called from the drain, with values that `push` puts on the fiber's stack
// (returns their count). Freed by the VM after it was started; `free` may be NULL.
typedef struct peri_task {
  peri_list link;
  int fn;  // peri_ref of the function
  int (*push)(struct peri_task *task, lua_State *L);
  void (*free)(struct peri_task *task);
} peri_task;

// An accepted connection of this VM; conn->user points here.
typedef struct peri_accepted {
  peri_id id;
  peri_conn *conn;
  peri_list link;           // in vm->accepted
  void (*gone)(void *arg);  // told once it is closed; NULL = nobody
  void *gone_arg;
  peri_list callbacks;  // functions of the peer that scripts hold (lua/callback.c)
  uint32_t callback_count;
} peri_accepted;

struct peri_vm {
  lua_State *L;
  peri_loop *loop;  // borrowed
  uint32_t number;  // of all VMs that this process made: a loop may get another one
  peri_vm_options options;
  peri_server server;
  peri_futures futures;  // of calls that this VM makes
  struct peri_fibers fibers;
  uint64_t wait_mark;                     // core.WAIT as it lies in memory, see lua/raw.h
  const struct peri_raw_table *registry;  // of references, see lua/raw.h
  peri_slots links;                       // connections of this VM, see lua/link.h
  peri_slots sockets;                     // plain ones of scripts, see lua/socket.h
  peri_list openings;                     // connects under way, see lua/request.c
  peri_list tasks;                        // Lua functions to be started
  peri_slots accepted_slots;
  peri_list accepted;  // peri_accepted.link
  peri_conn_limits conn_limits;
  _Atomic uint32_t connections;          // accepted and open, for the hand-over
  _Atomic(const peri_method *) current;  // what runs now, for the supervisor; NULL = nothing
  uint32_t authenticating;               // sessions whose authentication waits for its fiber
  uint32_t authenticating_max;
  uint32_t events_max;               // events that wait for one listener (perilune.events)
  uint32_t session_news;             // of sessions, not told to Lua yet (lua/sessions.c)
  peri_slots offers;                 // our functions that peers may call (lua/callback.c)
  peri_slots callbacks;              // functions of peers that scripts hold
  peri_list callbacks_over;          // collected; their peers are told in the next drain
  uint32_t callbacks_per_conn;       // of either kind
  struct peri_method *callback_run;  // what runs our functions; NULL = none was ever given away
  int on_authenticate;               // refs of Lua hooks, LUA_NOREF when absent
  int on_session;
  int on_cold;    // Lua function(chain, last), see lua/perilune/entry/hotness.lua
  int on_aside;   // Lua function(begins) around turns beside the service, see peri_fiber_resume
  int call_over;  // Lua function(slot) that drops a call's side table
  struct {
    uint64_t limit;    // bytes of Lua memory, 0 = no limit
    uint64_t rest_ns;  // no full collection before; see lua/limits.c
  } memory;
  uint64_t script_errors;  // errors that no guard in Lua caught
  void *user;              // of the process layer
};

// Creates the VM with the standard libraries, `perilune.core` and the library path; becomes the
// loop's on_drain. Returns NULL with err when the Lua half does not load.
peri_vm *peri_vm_new(peri_loop *loop, const peri_vm_options *options, peri_err *err);
// Ends what is open: connections are closed, fibers cancelled and run to their end. The loop must
// still turn until peri_vm_idle; then peri_vm_free.
void peri_vm_close(peri_vm *vm);
bool peri_vm_idle(const peri_vm *vm);
void peri_vm_free(peri_vm *vm);

lua_State *peri_vm_state(peri_vm *vm);
// The VM of a state (also of its coroutines).
peri_vm *peri_vm_of(lua_State *L);
// Adds C functions to the table of perilune.core.
void peri_vm_add(peri_vm *vm, const luaL_Reg *functions);
// Gives Lua `pointer` as core.<name>, for the FFI; it must outlive the VM.
void peri_vm_set_pointer(peri_vm *vm, const char *name, void *pointer);

// loop->on_drain: runs at most one slice (64 entries or 1 ms); true when work is left.
bool peri_vm_drain(peri_loop *loop, void *vm);

// Drops a reference to a Lua value after the tasks queued so far have started. Takes `ref`.
void peri_vm_unref_later(peri_vm *vm, int ref);
// Queue: each starts a fiber in the next drain. Never from another thread (post a message instead).
void peri_vm_task(peri_vm *vm, peri_task *task);
// Runs Lua source text with one string argument; an error is logged and counted.
void peri_vm_run(peri_vm *vm, const char *chunk, size_t len, const char *name,
                 const char *argument);

// Serves an accepted socket. Takes `fd`. `protocols` as in peri_conn_accept. `gone` (may be NULL) is
// called exactly once with `gone_arg`: when the connection is closed, or at once when there is none.
void peri_vm_accept(peri_vm *vm, int fd, const char *const *protocols, void (*gone)(void *arg),
                    void *gone_arg);
static inline uint32_t peri_vm_connections(const peri_vm *vm) {
  return atomic_load_explicit(&((peri_vm *)(uintptr_t)vm)->connections, memory_order_relaxed);
}
