// SPDX-License-Identifier: MIT
#include "lua/vm.h"

#include <lualib.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "entry/executor.h"
#include "lua/argument_types.h"
#include "lua/callback.h"
#include "lua/core.h"
#include "lua/core_crypto.h"
#include "lua/core_java.h"
#include "lua/core_keep.h"
#include "lua/limits.h"
#include "lua/raw.h"
#include "lua/ref.h"
#include "lua/request.h"
#include "lua/serve.h"
#include "lua/socket.h"
#include "lua/sessions.h"
#include "lua/value.h"

enum {
  // Entries into Lua per turn, or SLICE_NS. A quarter of it costs a fifth more CPU per call at 8 x 32
  // in flight: the loop then polls four times for what one round of reads brought.
  SLICE = 256,
  SLICE_NS = 1000000,
  // Entries between two looks at the clock, each of which takes as long as a tenth of a brief call: often,
  // and more seldom while those since the last look took less than BRIEF_NS together.
  OFTEN = 8,
  SELDOM = 32,
  BRIEF_NS = 32000,
  // A turn that ran longer than this makes time-outs that begin in it wrong by more than anybody overlooks.
  LONG_NS = 10000000,
  MAX_FIBERS = 4000000,
  MAX_FUTURES = 4000000,
  MAX_CONNECTIONS = 1000000,
  MAX_AUTHENTICATIONS = 4096,
  MAX_EVENTS = 1024,
  MAX_CALLBACKS = 1024,  // of one connection
};

static const uint64_t MEMORY = 2048ull << 20;  // bytes of Lua per VM

peri_vm *peri_vm_of(lua_State *L) {
  return lua_touserdata(L, lua_upvalueindex(1));
}

lua_State *peri_vm_state(peri_vm *vm) {
  return vm->L;
}

void peri_vm_add(peri_vm *vm, const luaL_Reg *functions) {
  lua_State *L = vm->L;
  lua_getfield(L, LUA_REGISTRYINDEX, "perilune.core");
  for (; functions->name != NULL; functions++) {
    lua_pushlightuserdata(L, vm);
    lua_pushcclosure(L, functions->func, 1);
    lua_setfield(L, -2, functions->name);
  }
  lua_pop(L, 1);
}

// --- tasks -------------------------------------------------------------------------------------

void peri_vm_task(peri_vm *vm, peri_task *task) {
  peri_owner_check(&vm->loop->owner);
  peri_list_push(&vm->tasks, &task->link);
  peri_loop_want_drain(vm->loop);
}

typedef struct unref_task {
  peri_task task;
  peri_vm *vm;
} unref_task;

static void free_unref(peri_task *task) {
  unref_task *u = peri_container(task, unref_task, task);
  peri_unref(u->vm->L, task->fn);
  free(u);
}

void peri_vm_unref_later(peri_vm *vm, int ref) {
  peri_owner_check(&vm->loop->owner);
  if (ref == LUA_NOREF) {
    return;
  }
  unref_task *u = peri_calloc(1, sizeof *u);
  *u = (unref_task){.task = {.fn = ref, .free = free_unref}, .vm = vm};
  peri_vm_task(vm, &u->task);
}

typedef struct chunk_task {
  peri_task task;
  peri_vm *vm;
  char *argument;
} chunk_task;

static int push_chunk(peri_task *task, lua_State *L) {
  lua_pushstring(L, peri_container(task, chunk_task, task)->argument);
  return 1;
}

static void free_chunk(peri_task *task) {
  chunk_task *c = peri_container(task, chunk_task, task);
  peri_unref(c->vm->L, task->fn);
  free(c->argument);
  free(c);
}

void peri_vm_run(peri_vm *vm, const char *chunk, size_t len, const char *name,
                 const char *argument) {
  if (luaL_loadbuffer(vm->L, chunk, len, name) != 0) {
    peri_log(PERI_LOG_ERROR, "SCRIPT-LOAD", "%s", lua_tostring(vm->L, -1));
    lua_pop(vm->L, 1);
    vm->script_errors++;
    return;
  }
  chunk_task *c = peri_calloc(1, sizeof *c);
  c->task = (peri_task){.fn = peri_ref(vm->L), .push = push_chunk, .free = free_chunk};
  c->vm = vm;
  c->argument = peri_strdup(argument != NULL ? argument : "");
  peri_vm_task(vm, &c->task);
}

// Starts the first task; false when none waits.
static bool start_task(peri_vm *vm) {
  peri_list *node = peri_list_pop(&vm->tasks);
  if (node == NULL) {
    return false;
  }
  peri_task *task = peri_container(node, peri_task, link);
  peri_fiber *fiber = task->push != NULL ? peri_fiber_take(vm) : NULL;
  if (fiber != NULL) {
    peri_ref_push(fiber->co, task->fn);
    int count = task->push(task, fiber->co);
    task->free(task);
    peri_fiber_resume(vm, fiber, count);
    return true;
  }
  if (task->push != NULL) {
    peri_log(PERI_LOG_ERROR, "FIBER-LIMIT", "a task was dropped: coroutines = %u is reached",
             vm->fibers.slots.limit);
  }
  task->free(task);
  return true;
}

static bool work_left(const peri_vm *vm) {
  return !peri_list_empty(&vm->tasks) || !peri_list_empty(&vm->fibers.ready) ||
         !peri_list_empty(&vm->fibers.later) || peri_server_waiting(&vm->server);
}

bool peri_vm_drain(peri_loop *loop, void *arg) {
  peri_vm *vm = arg;
  uint64_t end = loop->now_ns + SLICE_NS, looked = loop->now_ns;
  int look = OFTEN, i = 1;
  peri_limits_check_memory(vm);
  peri_callbacks_sweep(vm);
  peri_fiber_turn(vm);
  for (; i <= SLICE; i++) {
    if (!start_task(vm) && !peri_fiber_run_ready(vm) && !peri_serve_next(vm)) {
      break;
    }
    if (i == look) {
      uint64_t now = peri_env->hrtime();
      if (now > end) {
        break;
      }
      look += now - looked < BRIEF_NS ? SELDOM : OFTEN;
      looked = now;
    }
  }
  peri_jobs_turned(&vm->server);
  if (i > 1 && peri_env->hrtime() - loop->now_ns > LONG_NS) {
    peri_fiber_catch_up(vm);
  }
  return work_left(vm);
}

// --- life --------------------------------------------------------------------------------------

static void set_path(lua_State *L, const char *library) {
  lua_getglobal(L, "package");
  lua_pushfstring(L, "%s/?.lua;%s/?/init.lua;", library, library);
  lua_getfield(L, -2, "path");
  lua_concat(L, 2);
  lua_setfield(L, -2, "path");
  lua_pop(L, 1);
}

void peri_vm_set_pointer(peri_vm *vm, const char *name, void *pointer) {
  lua_State *L = vm->L;
  lua_getfield(L, LUA_REGISTRYINDEX, "perilune.core");
  lua_pushlightuserdata(L, pointer);
  lua_setfield(L, -2, name);
  lua_pop(L, 1);
}

static int return_core(lua_State *L) {
  lua_getfield(L, LUA_REGISTRYINDEX, "perilune.core");
  return 1;
}

static uint64_t mark_of(lua_State *L, void *pointer) {
  size_t count = 0;
  lua_pushlightuserdata(L, pointer);
  uint64_t bits = peri_raw_usable() ? peri_raw_values(L, &count)[lua_gettop(L) - 1].bits : 0;
  lua_pop(L, 1);
  return bits;
}

static void make_core(peri_vm *vm) {
  lua_State *L = vm->L;
  lua_newtable(L);
  lua_pushlightuserdata(L, vm);
  lua_setfield(L, -2, "WAIT");
  lua_pushlightuserdata(L, &vm->loop->now_ns);
  lua_setfield(L, -2, "now");
  lua_pushlightuserdata(L, &vm->server);
  lua_setfield(L, -2, "server");
  lua_pushstring(L, vm->options.role);
  lua_setfield(L, -2, "role");
  lua_pushinteger(L, vm->options.worker);
  lua_setfield(L, -2, "worker");
  lua_pushinteger(L, vm->options.workers);
  lua_setfield(L, -2, "workers");
  lua_pushstring(L, vm->options.library);
  lua_setfield(L, -2, "library");
  peri_value_register(L);
  vm->wait_mark = mark_of(L, vm);
  vm->registry = lua_topointer(L, LUA_REGISTRYINDEX);
  lua_setfield(L, LUA_REGISTRYINDEX, "perilune.core");
  peri_vm_add(vm, peri_core_functions);
  peri_vm_add(vm, peri_core_crypto_functions);
  peri_vm_add(vm, peri_core_java_functions);
  peri_vm_add(vm, peri_core_keep_functions);
  peri_vm_add(vm, peri_serve_functions);
  peri_vm_add(vm, peri_call_functions);
  peri_vm_add(vm, peri_request_functions);
  peri_vm_add(vm, peri_socket_functions);
  peri_vm_add(vm, peri_limits_functions);
  peri_vm_add(vm, peri_sessions_functions);
  peri_vm_add(vm, peri_callback_functions);
  peri_vm_add(vm, peri_offer_functions);
  peri_vm_add(vm, (const luaL_Reg[]){{"argument_types", peri_lua_argument_types}, {NULL, NULL}});
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "preload");
  lua_pushcfunction(L, return_core);
  lua_setfield(L, -2, "perilune.core");
  lua_pop(L, 2);
}

// Runs in a protected call: loads the Lua half of the boundary.
static int boot(lua_State *L) {
  peri_vm *vm = lua_touserdata(L, 1);
  luaL_openlibs(L);
  set_path(L, vm->options.library);
  make_core(vm);
  lua_getglobal(L, "require");
  lua_pushliteral(L, "perilune.path");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "arrange");
  lua_pushstring(L, vm->options.library);
  lua_call(L, 1, 0);
  lua_getglobal(L, "require");
  lua_pushliteral(L, "perilune.fiber");
  lua_call(L, 1, 0);
  return 0;
}

static void timers_arm(void *loop, peri_timer *timer, uint64_t delay_ms) {
  peri_loop_arm(loop, timer, delay_ms);
}

static void timers_disarm(void *loop, peri_timer *timer) {
  peri_loop_cancel(loop, timer);
}

static void init(peri_vm *vm, peri_loop *loop) {
  static _Atomic uint32_t made;
  vm->loop = loop;
  vm->number = atomic_fetch_add_explicit(&made, 1, memory_order_relaxed) + 1;
  vm->conn_limits = peri_conn_limits_default;
  vm->memory.limit = MEMORY;
  vm->authenticating_max = MAX_AUTHENTICATIONS;
  vm->events_max = MAX_EVENTS;
  vm->on_authenticate = LUA_NOREF;
  vm->on_session = LUA_NOREF;
  vm->on_cold = LUA_NOREF;
  vm->on_aside = LUA_NOREF;
  peri_server_init(&vm->server, loop);
  peri_futures_init(&vm->futures, MAX_FUTURES);
  vm->server.futures = &vm->futures;
  vm->futures.arm = timers_arm;
  vm->futures.disarm = timers_disarm;
  vm->futures.timers = loop;
  peri_slots_init(&vm->fibers.slots, sizeof(peri_fiber), MAX_FIBERS);
  peri_slots_init(&vm->links, sizeof(peri_link), MAX_CONNECTIONS);
  peri_callbacks_init(vm, MAX_CALLBACKS);
  peri_slots_init(&vm->sockets, sizeof(void *), MAX_CONNECTIONS);
  peri_slots_init(&vm->accepted_slots, sizeof(peri_accepted), MAX_CONNECTIONS);
  peri_list_init(&vm->fibers.ready);
  peri_list_init(&vm->fibers.later);
  peri_list_init(&vm->fibers.free);
  peri_list_init(&vm->tasks);
  peri_list_init(&vm->openings);
  peri_list_init(&vm->accepted);
}

peri_vm *peri_vm_new(peri_loop *loop, const peri_vm_options *options, peri_err *err) {
  peri_vm *vm = peri_calloc(1, sizeof *vm);
  vm->options = *options;
  peri_started_ms();
  init(vm, loop);
  vm->L = luaL_newstate();
  if (vm->L == NULL) {
    free(vm);
    peri_fail(err, PERI_ENO_MEMORY, "no memory for a Lua VM");
    return NULL;
  }
  if (lua_cpcall(vm->L, boot, vm) != 0) {
    peri_fail(err, PERI_ECONFIG, "the Lua library in %s does not load: %s", options->library,
              lua_tostring(vm->L, -1));
    peri_vm_free(vm);
    return NULL;
  }
  loop->on_drain = peri_vm_drain;
  loop->on_drain_arg = vm;
  loop->user = vm;
  return vm;
}

void peri_vm_close(peri_vm *vm) {
  peri_owner_check(&vm->loop->owner);
  vm->server.draining = true;
  peri_request_close_all(vm);
  peri_socket_close_all(vm);
  for (peri_list *n = vm->accepted.next; n != &vm->accepted; n = n->next) {
    peri_conn_close(peri_container(n, peri_accepted, link)->conn, PERI_ESHUTDOWN);
  }
  for (uint32_t i = 0; i < vm->fibers.slots.fresh; i++) {
    peri_slot *slot = peri_slots_header(&vm->fibers.slots, i);
    peri_fiber *fiber = (peri_fiber *)(void *)(slot + 1);
    if ((slot->gen & 1) != 0 && fiber->state != PERI_FIBER_FREE) {
      peri_fiber_cancel(vm, fiber, PERI_ESHUTDOWN);
    }
  }
}

bool peri_vm_idle(const peri_vm *vm) {
  return !work_left(vm) && vm->links.live == 0 && vm->sockets.live == 0 &&
         vm->accepted_slots.live == 0 && vm->fibers.slots.live == vm->fibers.pooled;
}

void peri_vm_free(peri_vm *vm) {
  peri_owner_check(&vm->loop->owner);
  peri_list *node;
  vm->loop->user = NULL;  // messages that come now find nobody
  while ((node = peri_list_pop(&vm->tasks)) != NULL) {
    peri_task *task = peri_container(node, peri_task, link);
    task->free(task);
  }
  peri_request_abandon(vm);
  peri_socket_abandon(vm);
  lua_close(vm->L);
  peri_callbacks_fini(vm);
  peri_server_fini(&vm->server);
  peri_futures_fini(&vm->futures);
  peri_slots_fini(&vm->fibers.slots);
  peri_slots_fini(&vm->links);
  peri_slots_fini(&vm->sockets);
  peri_slots_fini(&vm->accepted_slots);
  if (vm->loop->on_drain_arg == vm) {
    vm->loop->on_drain = NULL;
    vm->loop->on_drain_arg = NULL;
  }
  free(vm);
}

static void refuse_socket(void (*gone)(void *arg), void *gone_arg) {
  if (gone != NULL) {
    gone(gone_arg);
  }
}

void peri_vm_accept(peri_vm *vm, int fd, const char *const *protocols, void (*gone)(void *arg),
                    void *gone_arg) {
  peri_owner_check(&vm->loop->owner);
  peri_id id;
  peri_channel *channel = peri_channel_from_fd(vm->loop, fd);
  if (channel == NULL) {
    refuse_socket(gone, gone_arg);
    return;
  }
  peri_accepted *accepted = peri_slots_take(&vm->accepted_slots, &id);
  peri_conn *conn = accepted != NULL ? peri_conn_accept(channel, protocols, &peri_serve_handler, vm,
                                                        &vm->conn_limits)
                                     : NULL;
  if (conn == NULL) {
    if (accepted != NULL) {
      peri_slots_release(&vm->accepted_slots, id);
    }
    peri_channel_close(channel, PERI_EOVERLOADED);
    refuse_socket(gone, gone_arg);
    return;
  }
  *accepted = (peri_accepted){.id = id, .conn = conn, .gone = gone, .gone_arg = gone_arg};
  peri_list_init(&accepted->callbacks);
  peri_list_push(&vm->accepted, &accepted->link);
  conn->user = accepted;
  atomic_fetch_add_explicit(&vm->connections, 1, memory_order_relaxed);
}
