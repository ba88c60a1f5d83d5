// SPDX-License-Identifier: MIT
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/limit.h"
#include "base/log.h"
#include "base/metrics.h"
#include "lua/value.h"
#include "process/core_process.h"
#include "protocol/counters.h"

static peri_shared *shared_of(lua_State *L) {
  return ((peri_worker *)peri_vm_of(L)->user)->process->shared;
}

static uint64_t now_ms(lua_State *L) {
  return peri_loop_now_ms(peri_vm_of(L)->loop);
}

static int fail(lua_State *L, int code, const char *text) {
  lua_pushnil(L);
  lua_pushstring(L, peri_code_name(code));
  lua_pushstring(L, text);
  return 3;
}

// core.shared_incr(name, by, limit) -> number, or nil, code, message
static int shared_incr(lua_State *L) {
  size_t len;
  double sum;
  const char *key = luaL_checklstring(L, 1, &len);
  double by = luaL_optnumber(L, 2, 1);
  double limit = luaL_optnumber(L, 3, 0);
  luaL_argcheck(L, isfinite(by), 2, "a number that can be added is wanted");
  luaL_argcheck(L, !isnan(limit), 3, "a limit is a number");
  const double *most = lua_isnoneornil(L, 3) ? NULL : &limit;
  int code = peri_shared_incr(shared_of(L), key, len, by, most, now_ms(L), &sum);
  if (code != 0) {
    return fail(L, code,
                code == PERI_ELIMITED ? "the limit of this counter or of the number of "
                                        "shared counters is reached"
                                      : "not a counter, or its name is over 255 bytes");
  }
  lua_pushnumber(L, sum);
  return 1;
}

static int shared_get(lua_State *L) {
  size_t len;
  const char *key = luaL_checklstring(L, 1, &len);
  peri_shared_value value = peri_shared_get(shared_of(L), key, len, now_ms(L));
  switch (value.type) {
  case PERI_SHARED_NONE: lua_pushnil(L); break;
  case PERI_SHARED_NUMBER: lua_pushnumber(L, value.number); break;
  case PERI_SHARED_BOOL: lua_pushboolean(L, value.number != 0); break;
  case PERI_SHARED_STRING:
    lua_pushlstring(L, value.text, value.len);
    free(value.text);
    break;
  }
  return 1;
}

static peri_shared_value value_arg(lua_State *L, int index) {
  peri_shared_value value = {PERI_SHARED_NONE, 0, NULL, 0};
  switch (lua_type(L, index)) {
  case LUA_TNONE:
  case LUA_TNIL: break;
  case LUA_TNUMBER:
    value.type = PERI_SHARED_NUMBER;
    value.number = lua_tonumber(L, index);
    break;
  case LUA_TBOOLEAN:
    value.type = PERI_SHARED_BOOL;
    value.number = lua_toboolean(L, index);
    break;
  case LUA_TSTRING:
    value.type = PERI_SHARED_STRING;
    // The store copies before it returns and never writes to it.
    value.text = (char *)(uintptr_t)lua_tolstring(L, index, &value.len);
    break;
  default:
    luaL_error(L, "shared values are strings, numbers or booleans, not %s; encode it first",
               luaL_typename(L, index));
  }
  return value;
}

// core.shared_set(key, value, ttl_ms) -> true, or nil, code, message
static int shared_set(lua_State *L) {
  size_t len;
  const char *key = luaL_checklstring(L, 1, &len);
  peri_shared_value value = value_arg(L, 2);
  double ttl = luaL_optnumber(L, 3, 0);
  luaL_argcheck(L, ttl >= 0 && ttl < 1e15, 3, "must be milliseconds, 0 or more");
  uint64_t ttl_ms = ttl > 0 && ttl < 1 ? 1 : (uint64_t)ttl;
  int code = peri_shared_set(shared_of(L), key, len, &value, ttl_ms, now_ms(L));
  if (code != 0) {
    return fail(L, code, "key over 255 bytes or value over 64 KiB");
  }
  lua_pushboolean(L, 1);
  return 1;
}

static int log_line(lua_State *L) {
  static const char *const levels[] = {"debug", "info", "warn", "error", NULL};
  size_t len;
  peri_buf fields = {0};
  peri_err err;
  int level = luaL_checkoption(L, 1, "info", levels);
  const char *tag = luaL_checkstring(L, 2);
  const char *text = luaL_optlstring(L, 3, "", &len);
  if ((peri_log_level)level < peri_log_threshold) {
    return 0;
  }
  const peri_serializer *json = peri_serializer_by_name("json");
  if (lua_istable(L, 4) && json != NULL &&
      peri_value_encode(L, 4, json, &PERI_VALUE_LIMITS_DEFAULT, &fields, &err) != 0) {
    fields.len = 0;
  }
  // The braces are the line's own; an empty table may have become a list.
  bool object = fields.len > 2 && fields.data[0] == '{';
  peri_log_fields((peri_log_level)level, tag, text, len,
                  object ? (const char *)fields.data + 1 : NULL, object ? fields.len - 2 : 0);
  peri_buf_fini(&fields);
  return 0;
}

static void add_metric(void *arg, const char *text, peri_metric_kind kind, int64_t value) {
  (void)kind;
  lua_State *L = arg;
  lua_pushnumber(L, (double)value);
  lua_setfield(L, -2, text);
}

// A counter that is also the tag of a log line tells what peers did wrong.
static void add_protocol_counters(lua_State *L) {
  const char *name;
  uint64_t value;
  for (size_t n = 0; (name = peri_protocol_counter_at(n, &value)) != NULL; n++) {
    bool tag = name[0] >= 'A' && name[0] <= 'Z';
    lua_pushfstring(L, tag ? "perilune_peer_errors{tag=\"%s\"}" : "perilune_%s", name);
    lua_pushnumber(L, (double)value);
    lua_rawset(L, -3);
  }
}

static void add_limits(lua_State *L) {
  const char *name;
  uint64_t hits;
  for (size_t n = 0; (name = peri_limit_at(n, &hits)) != NULL; n++) {
    lua_pushfstring(L, "perilune_limit_hits{limit=\"%s\"}", name);
    lua_pushnumber(L, (double)hits);
    lua_rawset(L, -3);
  }
}

static int metrics(lua_State *L) {
  lua_newtable(L);
  peri_metrics_each(add_metric, L);
  add_protocol_counters(L);
  add_limits(L);
  add_metric(L, "perilune_shared_evicted", PERI_METRIC_COUNTER,
             (int64_t)peri_shared_evicted(shared_of(L)));
  add_metric(L, "perilune_log_dropped", PERI_METRIC_COUNTER, (int64_t)peri_log_dropped());
  add_metric(L, "perilune_log_suppressed", PERI_METRIC_COUNTER, (int64_t)peri_log_suppressed());
  return 1;
}

enum { LABELS_MAX = 8 };

// Fills `labels` from a map of strings at `index`, in the order of their keys.
static size_t labels_arg(lua_State *L, int index, peri_metric_label labels[LABELS_MAX]) {
  size_t count = 0;
  if (!lua_istable(L, index)) {
    return 0;
  }
  for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING || count == LABELS_MAX) {
      luaL_error(L, "labels are a map of at most 8 strings to strings");
    }
    size_t at = count++;
    const char *key = lua_tostring(L, -2);
    for (; at > 0 && strcmp(labels[at - 1].key, key) > 0; at--) {
      labels[at] = labels[at - 1];
    }
    labels[at] = (peri_metric_label){key, lua_tostring(L, -1)};
  }
  return count;
}

// core.metric(name, labels, kind) -> handle for core.count; 0 when the table is full
static int metric(lua_State *L) {
  static const char *const kinds[] = {"counter", "gauge", NULL};
  peri_metric_label labels[LABELS_MAX];
  const char *name = luaL_checkstring(L, 1);
  size_t count = labels_arg(L, 2, labels);
  peri_metric_kind kind = (peri_metric_kind)luaL_checkoption(L, 3, "counter", kinds);
  lua_pushinteger(L, (lua_Integer)peri_metric_get_labelled(name, kind, labels, count));
  return 1;
}

// core.count(handle, by)
static int count(lua_State *L) {
  lua_Integer handle = luaL_checkinteger(L, 1);
  luaL_argcheck(L, handle >= 0 && handle < (lua_Integer)PERI_METRIC_MAX, 1, "not a metric");
  peri_metric_add((peri_metric)handle, (int64_t)luaL_optnumber(L, 2, 1));
  return 0;
}

const luaL_Reg peri_core_shared_functions[] = {
    {"shared_incr", shared_incr},
    {"shared_get", shared_get},
    {"shared_set", shared_set},
    {"log", log_line},
    {"metrics", metrics},
    {"metric", metric},
    {"count", count},
    {NULL, NULL},
};
