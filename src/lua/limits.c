// SPDX-License-Identifier: MIT
#include "lua/limits.h"

#include <string.h>

#include "base/clock.h"
#include "base/limit.h"
#include "base/log.h"

enum {
  FRAME_EXTRA = 64 * 1024,  // bytes a unit of the channel may have beyond the frame
  REST = 20,                // times the length of a full collection until the next one
  REST_MIN_NS = 1000000000,
  STEP = 64,  // KiB of collection per turn above the limit
};

// X(name of the setting, where it is)
#define FIELDS32(X)                                                                                \
  X("frame_size", conn_limits.frame)                                                               \
  X("head_size", conn_limits.head)                                                                 \
  X("value_depth", conn_limits.value.depth)                                                        \
  X("value_elements", conn_limits.value.elements)                                                  \
  X("value_references", conn_limits.value.refs)                                                    \
  X("value_string", conn_limits.value.string)                                                      \
  X("sessions_per_connection", conn_limits.sessions)                                               \
  X("first_byte_timeout", conn_limits.first_byte_ms)                                               \
  X("silent_connections", conn_limits.silent)                                                      \
  X("negotiate_timeout", conn_limits.negotiate_ms)                                                 \
  X("frame_timeout", conn_limits.frame_ms)                                                         \
  X("idle_timeout", conn_limits.idle_ms)                                                           \
  X("heartbeat_interval", conn_limits.beat_ms)                                                     \
  X("heartbeat_misses", conn_limits.beat_misses)                                                   \
  X("partial_bytes", conn_limits.channel.partial)                                                  \
  X("output_high_water", conn_limits.channel.high_water)                                           \
  X("output_limit", conn_limits.channel.hard_limit)                                                \
  X("output_stall", conn_limits.channel.stall_ms)                                                  \
  X("calls", server.calls.limit)                                                                   \
  X("calls_per_connection", server.limits.calls_per_conn)                                          \
  X("queue_age", server.limits.queue_ms)                                                           \
  X("queue_burst", server.limits.burst_ms)                                                         \
  X("call_timeout", server.limits.timeout_ms)                                                      \
  X("authentications", authenticating_max)                                                         \
  X("callbacks_per_connection", callbacks_per_conn)                                                \
  X("events", events_max)                                                                          \
  X("futures", futures.slots.limit)                                                                \
  X("coroutines", fibers.slots.limit)                                                              \
  X("connections_out", links.limit)
#define FIELDS64(X)                                                                                \
  X("pinned_bytes", server.limits.pinned)                                                          \
  X("lua_memory", memory.limit)

static const struct {
  const char *name;
  size_t at;  // in peri_vm
  bool wide;
} fields[] = {
#define X(name, field) {name, offsetof(peri_vm, field), false},
    FIELDS32(X)
#undef X
#define X(name, field) {name, offsetof(peri_vm, field), true},
        FIELDS64(X)
#undef X
};

enum { FIELDS = sizeof fields / sizeof fields[0] };

static void set_field(peri_vm *vm, size_t i, double value) {
  char *at = (char *)vm + fields[i].at;
  if (fields[i].wide) {
    *(uint64_t *)(void *)at = (uint64_t)value;
  } else {
    *(uint32_t *)(void *)at = value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
  }
}

static double get_field(const peri_vm *vm, size_t i) {
  const char *at = (const char *)vm + fields[i].at;
  return fields[i].wide ? (double)*(const uint64_t *)(const void *)at
                        : *(const uint32_t *)(const void *)at;
}

// core.set_limits(map): sets what is in it and leaves the rest.
static int set_limits(lua_State *L) {
  peri_vm *vm = peri_vm_of(L);
  luaL_checktype(L, 1, LUA_TTABLE);
  for (size_t i = 0; i < FIELDS; i++) {
    lua_getfield(L, 1, fields[i].name);
    if (lua_isnumber(L, -1) && lua_tonumber(L, -1) >= 0) {
      set_field(vm, i, lua_tonumber(L, -1));
    }
    lua_pop(L, 1);
  }
  vm->server.limits.calls = vm->server.calls.limit;
  vm->conn_limits.channel.unit = vm->conn_limits.frame + FRAME_EXTRA;
  return 0;
}

// core.limits() -> name -> value
static int limits(lua_State *L) {
  const peri_vm *vm = peri_vm_of(L);
  lua_createtable(L, 0, FIELDS);
  for (size_t i = 0; i < FIELDS; i++) {
    lua_pushnumber(L, get_field(vm, i));
    lua_setfield(L, -2, fields[i].name);
  }
  return 1;
}

// core.limit_hit(name): for limits that the Lua half enforces.
static int limit_hit(lua_State *L) {
  uint64_t hits;
  const char *name = luaL_checkstring(L, 1);
  const char *at;
  for (size_t i = 0; (at = peri_limit_at(i, &hits)) != NULL; i++) {
    if (strcmp(at, name) == 0) {
      peri_limit_hit((peri_limit)i);
      return 0;
    }
  }
  return luaL_error(L, "no limit '%s'", name);
}

const luaL_Reg peri_limits_functions[] = {
    {"limit_hit", limit_hit},
    {"set_limits", set_limits},
    {"limits", limits},
    {NULL, NULL},
};

static uint64_t used_bytes(lua_State *L) {
  return (uint64_t)lua_gc(L, LUA_GCCOUNT, 0) << 10;
}

void peri_limits_collect(peri_vm *vm) {
  uint64_t began = peri_env->hrtime();
  if (began < vm->memory.rest_ns) {
    lua_gc(vm->L, LUA_GCSTEP, STEP);
    return;
  }
  lua_gc(vm->L, LUA_GCCOLLECT, 0);
  uint64_t took = peri_env->hrtime() - began;
  vm->memory.rest_ns = began + took * REST + REST_MIN_NS;
}

void peri_limits_check_memory(peri_vm *vm) {
  uint64_t limit = vm->memory.limit;
  if (limit == 0 || used_bytes(vm->L) <= limit) {
    vm->server.starved = false;
    return;
  }
  peri_limits_collect(vm);
  uint64_t used = used_bytes(vm->L);
  bool starved = used > limit;
  if (starved && !vm->server.starved) {
    peri_log(PERI_LOG_ERROR, "LUA-MEMORY",
             "worker %d: %llu KiB of Lua memory after collecting, lua_memory = %llu KiB; new calls "
             "are refused",
             vm->options.worker, (unsigned long long)used >> 10, (unsigned long long)limit >> 10);
  }
  vm->server.starved = starved;
}
