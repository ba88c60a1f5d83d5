// SPDX-License-Identifier: MIT
#include "lua/core.h"

#include "base/clock.h"
#include "entry/executor.h"
#include "lua/ref.h"
#include "lua/value.h"
#include "lua/vm.h"
#include "protocol/plugin.h"

// core.spawn(fn, a, b, detached, generation) -> fiber, or nil when no coroutine is free or
// the VM is being closed. What is detached belongs to no generation unless one is given.
static int spawn(lua_State *L) {
  peri_vm *vm = peri_vm_of(L);
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 5);
  bool detached = lua_toboolean(L, 4) != 0;
  uint32_t generation = (uint32_t)lua_tointeger(L, 5);
  bool closed = vm->loop->user != vm;  // finalizers may come then
  peri_fiber *fiber = closed ? NULL : peri_fiber_take(vm);
  if (fiber == NULL) {
    return 0;
  }
  lua_settop(L, 3);
  lua_xmove(L, fiber->co, 3);
  if (!detached && vm->fibers.running != NULL) {
    peri_fiber_inherit(fiber, vm->fibers.running);
    generation = vm->fibers.running->generation;
  }
  peri_fiber_belong(&vm->fibers, fiber, generation);
  peri_fiber_start(vm, fiber);
  lua_pushnumber(L, peri_id_to_lua(fiber->id));
  return 1;
}

static int running(lua_State *L) {
  const peri_fiber *fiber = peri_vm_of(L)->fibers.running;
  lua_pushnumber(L, fiber != NULL ? peri_id_to_lua(fiber->id) : 0);
  return 1;
}

// core.in_fiber(): the running coroutine is the fiber's own, not one a user made inside it.
static int in_fiber(lua_State *L) {
  const peri_fiber *fiber = peri_vm_of(L)->fibers.running;
  lua_pushboolean(L, fiber != NULL && fiber->co == L);
  return 1;
}

// core.cancel(fiber [, code])
static int cancel(lua_State *L) {
  peri_vm *vm = peri_vm_of(L);
  peri_fiber *fiber = peri_fiber_by_number(vm, luaL_checknumber(L, 1));
  int code = lua_isnoneornil(L, 2) ? PERI_ECANCELLED : peri_code_by_name(luaL_checkstring(L, 2));
  if (fiber == NULL || fiber->state == PERI_FIBER_FREE) {
    lua_pushboolean(L, 0);
    return 1;
  }
  peri_fiber_cancel(vm, fiber, code < 0 ? code : PERI_ECANCELLED);
  lua_pushboolean(L, 1);
  return 1;
}

// What computes reads no messages and sees no new turn: here it is told all the same.
static int job_cancelled(const peri_vm *vm, const peri_fiber *fiber) {
  const peri_job *job = vm->server.executor->job;
  if (fiber == NULL || job == NULL || fiber->call == NULL ||
      fiber->call->id != vm->server.executor->call) {
    return 0;
  }
  int code = atomic_load(&((peri_job *)(uintptr_t)job)->cancelled);
  return code == 0 && peri_env->hrtime() >= job->deadline_ns ? PERI_ETIMEOUT : code;
}

// core.cancelled() -> code name when the running fiber was cancelled or its deadline passed
static int cancelled(lua_State *L) {
  peri_vm *vm = peri_vm_of(L);
  const peri_fiber *fiber = vm->fibers.running;
  int code = fiber != NULL ? fiber->cancelled : 0;
  if (code == 0 && vm->server.executor != NULL) {
    code = job_cancelled(vm, fiber);
  }
  if (code == 0 && fiber != NULL && peri_fiber_left(vm, fiber, 1) <= 0) {
    code = PERI_ETIMEOUT;
  }
  if (code == 0) {
    return 0;
  }
  lua_pushstring(L, peri_code_name(code));
  return 1;
}

static int wake(lua_State *L) {
  peri_vm *vm = peri_vm_of(L);
  peri_fiber *fiber = peri_fiber_by_number(vm, luaL_checknumber(L, 1));
  bool parked = fiber != NULL && fiber->state == PERI_FIBER_PARKED && fiber->wait == PERI_WAIT_PARK;
  if (parked) {
    lua_settop(L, 2);
    lua_settop(fiber->co, 0);
    lua_pushboolean(fiber->co, 1);
    lua_xmove(L, fiber->co, 1);
    peri_fiber_wake(vm, fiber, 0);
  }
  lua_pushboolean(L, parked);
  return 1;
}

static const char *const wait_names[] = {"none",    "start",   "sleep",  "park",
                                         "request", "connect", "session"};

static void set_ms(lua_State *L, const char *name, double ns) {
  lua_pushnumber(L, ns / 1e6);
  lua_setfield(L, -2, name);
}

// Whose answer it waits for.
static void push_peer(lua_State *L, const peri_vm *vm, const peri_fiber *fiber) {
  const peri_future *future =
      fiber->wait == PERI_WAIT_REQUEST && fiber->begun
          ? peri_future_get((peri_futures *)(uintptr_t)&vm->futures, fiber->future)
          : NULL;
  if (future == NULL) {
    return;
  }
  const peri_conn *conn = future->conn;
  if (conn == NULL) {
    lua_pushliteral(L, "this process");
  } else {
    lua_pushstring(L, conn->channel != NULL ? peri_channel_peer(conn->channel) : "gone");
  }
  lua_setfield(L, -2, "peer");
}

// For whose sake it waits.
static void push_reason(lua_State *L, const peri_fiber *fiber) {
  const peri_call *call = fiber->call;
  if (call != NULL) {
    lua_pushfstring(L, "%s.%s", call->method->exporter->iface, call->method->name);
    lua_setfield(L, -2, "call");
  }
  if (fiber->cancelled != 0) {
    lua_pushstring(L, peri_code_name(fiber->cancelled));
    lua_setfield(L, -2, "cancelled");
  }
  lua_pushinteger(L, (lua_Integer)fiber->generation);
  lua_setfield(L, -2, "generation");
}

static void push_fiber(lua_State *L, const peri_vm *vm, const peri_fiber *fiber) {
  uint64_t now = vm->loop->now_ns;
  lua_createtable(L, 0, 10);
  push_peer(L, vm, fiber);
  push_reason(L, fiber);
  if (fiber->deadline_ns != 0) {
    set_ms(L, "left", fiber->deadline_ns > now ? (double)(fiber->deadline_ns - now) : 0);
  }
  if (!peri_list_empty(&fiber->timer.link)) {
    double due = (double)fiber->timer.due * 1e6;
    set_ms(L, "ends", due > (double)now ? due - (double)now : 0);
  }
  lua_pushnumber(L, peri_id_to_lua(fiber->id));
  lua_setfield(L, -2, "id");
  lua_pushstring(L, wait_names[fiber->wait]);
  lua_setfield(L, -2, "wait");
  lua_pushnumber(L, (double)(vm->loop->now_ns - fiber->since_ns) / 1e6);
  lua_setfield(L, -2, "since");
  luaL_traceback(L, fiber->co, NULL, 0);
  lua_setfield(L, -2, "traceback");
}

// core.fibers([most]) -> what is parked, how many there are
static int fibers(lua_State *L) {
  peri_vm *vm = peri_vm_of(L);
  lua_Integer most = luaL_optinteger(L, 1, INT32_MAX);
  int n = 0;
  lua_Integer total = 0;
  lua_newtable(L);
  for (uint32_t i = 0; i < vm->fibers.slots.fresh; i++) {
    peri_slot *slot = peri_slots_header(&vm->fibers.slots, i);
    const peri_fiber *fiber = (const peri_fiber *)(const void *)(slot + 1);
    if ((slot->gen & 1) != 0 && fiber->state == PERI_FIBER_PARKED && total++ < most) {
      push_fiber(L, vm, fiber);
      lua_rawseti(L, -2, ++n);
    }
  }
  lua_pushinteger(L, total);
  return 2;
}

static int left(lua_State *L) {
  peri_vm *vm = peri_vm_of(L);
  const peri_fiber *fiber = vm->fibers.running;
  if (fiber == NULL || fiber->deadline_ns == 0) {
    return 0;
  }
  lua_pushnumber(L, peri_fiber_left(vm, fiber, 1e15));
  return 1;
}

// core.limit(ms) -> token: the old deadline, for core.restore
static int limit(lua_State *L) {
  peri_vm *vm = peri_vm_of(L);
  double ms = luaL_checknumber(L, 1);
  peri_fiber *fiber = vm->fibers.running;
  if (fiber == NULL) {
    return 0;
  }
  lua_pushnumber(L, (double)fiber->deadline_ns);
  uint64_t end = vm->loop->now_ns + (uint64_t)(ms > 0 ? ms * 1e6 : 0);
  if (fiber->deadline_ns == 0 || end < fiber->deadline_ns) {
    fiber->deadline_ns = end;
  }
  return 1;
}

static int restore(lua_State *L) {
  peri_fiber *fiber = peri_vm_of(L)->fibers.running;
  if (fiber != NULL && lua_isnumber(L, 1)) {
    fiber->deadline_ns = (uint64_t)lua_tonumber(L, 1);
  }
  return 0;
}

static int walltime(lua_State *L) {
  lua_pushnumber(L, (double)peri_env->walltime());
  return 1;
}

static int hrtime(lua_State *L) {
  lua_pushnumber(L, (double)peri_env->hrtime() / 1e6);
  return 1;
}

static int random_number(lua_State *L) {
  peri_random *random = &peri_vm_of(L)->loop->random;
  if (lua_isnoneornil(L, 1)) {
    lua_pushnumber(L, peri_random_unit(random));
    return 1;
  }
  lua_Integer n = luaL_checkinteger(L, 1);
  luaL_argcheck(L, n >= 1 && n <= INT32_MAX, 1, "must be from 1 to 2^31-1");
  lua_pushnumber(L, 1.0 + peri_random_below(random, (uint32_t)n));
  return 1;
}

static const peri_serializer *serializer_arg(lua_State *L, int index) {
  const char *name = luaL_optstring(L, index, "json");
  const peri_serializer *serializer = peri_serializer_by_name(name);
  if (serializer == NULL) {
    luaL_error(L, "unknown serialization '%s'", name);
  }
  return serializer;
}

static int encode(lua_State *L) {
  peri_err err;
  peri_buf out = {0};
  luaL_checkany(L, 1);
  const peri_serializer *serializer = serializer_arg(L, 2);
  if (peri_value_encode(L, 1, serializer, &PERI_VALUE_LIMITS_DEFAULT, &out, &err) != 0) {
    peri_buf_fini(&out);
    lua_pushnil(L);
    lua_pushstring(L, err.text);
    return 2;
  }
  lua_pushlstring(L, (const char *)out.data, out.len);
  peri_buf_fini(&out);
  return 1;
}

static int decode(lua_State *L) {
  peri_err err;
  size_t len;
  const char *bytes = luaL_checklstring(L, 1, &len);
  const peri_serializer *serializer = serializer_arg(L, 2);
  static const char *const modes[] = {"number", "cdata", "string", NULL};
  peri_int64_mode int64 = (peri_int64_mode)luaL_checkoption(L, 3, "number", modes);
  if (peri_value_decode(L, serializer, (peri_bytes){(const uint8_t *)bytes, len},
                        &PERI_VALUE_LIMITS_DEFAULT, int64, &err) != 0) {
    lua_pushnil(L);
    lua_pushstring(L, err.text);
    return 2;
  }
  return 1;
}

// core.plugin_load(path, point, name) -> true, or nil, message
static int plugin_load(lua_State *L) {
  peri_err err;
  int rc = peri_plugin_load(luaL_checkstring(L, 1), luaL_checkstring(L, 2), luaL_checkstring(L, 3),
                            &err);
  if (rc != 0) {
    lua_pushnil(L);
    lua_pushstring(L, err.text);
    return 2;
  }
  lua_pushboolean(L, 1);
  return 1;
}

// core.serializer_add{name, provider, id, encode, decode} -> true, or nil, message
static int serializer_add(lua_State *L) {
  peri_err err;
  if (peri_value_serializer_add(L, 1, &err) != 0) {
    lua_pushnil(L);
    lua_pushstring(L, err.text);
    return 2;
  }
  lua_pushboolean(L, 1);
  return 1;
}

// core.generation() -> of the scripts the running fiber works for, 0 = none
static int generation(lua_State *L) {
  const peri_fiber *fiber = peri_vm_of(L)->fibers.running;
  lua_pushinteger(L, fiber != NULL ? (lua_Integer)fiber->generation : 0);
  return 1;
}

// core.set_generation(number): the current one from now on
static int set_generation(lua_State *L) {
  peri_vm *vm = peri_vm_of(L);
  vm->fibers.generation = (uint32_t)luaL_checkinteger(L, 1);
  if (vm->server.executor != NULL) {
    peri_executor_switch(vm->server.executor, vm->fibers.generation);
  }
  return 0;
}

// core.retired() -> the running fiber is background work of a generation that was replaced
static int retired(lua_State *L) {
  const peri_vm *vm = peri_vm_of(L);
  const peri_fiber *fiber = vm->fibers.running;
  lua_pushboolean(L, fiber != NULL && fiber->generation != 0 && fiber->call == NULL &&
                         fiber->generation < vm->fibers.generation);
  return 1;
}

// core.on_aside(fn): fn(begins) runs around each turn of background work of a generation that is not the
// current one
static int set_on_aside(lua_State *L) {
  peri_vm *vm = peri_vm_of(L);
  luaL_checktype(L, 1, LUA_TFUNCTION);
  peri_unref(L, vm->on_aside);
  lua_settop(L, 1);
  vm->on_aside = peri_ref(L);
  return 0;
}

// core.held(generation) -> calls, fibers of this VM
static int held(lua_State *L) {
  const peri_held *it = &peri_vm_of(L)->fibers.held[luaL_checkinteger(L, 1) & 1];
  lua_pushinteger(L, (lua_Integer)it->calls);
  lua_pushinteger(L, (lua_Integer)it->fibers);
  return 2;
}

static int cancel_background(lua_State *L) {
  peri_fiber_cancel_background(peri_vm_of(L), (uint32_t)luaL_checkinteger(L, 1));
  return 0;
}

static int codes(lua_State *L) {
#define X(name, number, retry, grpc, http, jsonrpc, text)                                          \
  lua_pushinteger(L, -(number));                                                                   \
  lua_setfield(L, -2, #name);
  lua_newtable(L);
  PERI_CODES(X)
#undef X
  return 1;
}

const luaL_Reg peri_core_functions[] = {
    {"spawn", spawn},
    {"fiber", running},
    {"cancel", cancel},
    {"cancelled", cancelled},
    {"wake", wake},
    {"in_fiber", in_fiber},
    {"fibers", fibers},
    {"left", left},
    {"limit", limit},
    {"restore", restore},
    {"walltime", walltime},
    {"hrtime", hrtime},
    {"random", random_number},
    {"encode", encode},
    {"decode", decode},
    {"serializer_add", serializer_add},
    {"plugin_load", plugin_load},
    {"code_numbers", codes},
    {"generation", generation},
    {"set_generation", set_generation},
    {"retired", retired},
    {"on_aside", set_on_aside},
    {"held", held},
    {"cancel_background", cancel_background},
    {NULL, NULL},
};
