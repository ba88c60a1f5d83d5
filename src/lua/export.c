// SPDX-License-Identifier: MIT
// core.export and what else Lua does with the provider side as a whole: drain it, count its calls,
// answer those who authenticate.
#include <stdlib.h>

#include "base/mem.h"
#include "entry/executor.h"
#include "lua/ref.h"
#include "lua/serve.h"

static uint32_t field_u32(lua_State *L, int index, const char *name) {
  lua_getfield(L, index, name);
  lua_Number value = lua_tonumber(L, -1);
  lua_pop(L, 1);
  return value > 0 && value < 4294967296.0 ? (uint32_t)value : 0;
}

static bool field_bool(lua_State *L, int index, const char *name) {
  lua_getfield(L, index, name);
  bool value = lua_toboolean(L, -1) != 0;
  lua_pop(L, 1);
  return value;
}

// What Java calls the result, where an interface declares it.
static void set_returns(lua_State *L, int index, peri_method *method) {
  lua_getfield(L, index, "returns");
  const char *returns = lua_tostring(L, -1);
  free(method->returns);
  method->returns = returns != NULL ? peri_strdup(returns) : NULL;
  lua_pop(L, 1);
}

static void drop_chain(lua_State *L, peri_method *method) {
  if (method->chain >= 0) {
    peri_unref(L, method->chain);
    method->chain = -1;
  }
}

// Puts the declaration at the top of the stack into a method, in place of what it was: calls in
// progress keep their chain, because it is on their stack.
static void set_method(lua_State *L, peri_exporter *exporter, uint32_t generation) {
  size_t len;
  lua_getfield(L, -1, "name");
  const char *name = luaL_checklstring(L, -1, &len);
  peri_method *method = peri_exporter_method(exporter, name, len);
  lua_pop(L, 1);
  int index = lua_gettop(L);
  method->open = true;
  method->generation = generation;
  method->body = field_bool(L, index, "body");
  lua_getfield(L, index, "arity");
  method->arity = lua_isnumber(L, -1) ? (int16_t)lua_tointeger(L, -1) : -1;
  lua_pop(L, 1);
  const peri_server *server = &peri_vm_of(L)->server;
  method->pooled =
      field_bool(L, index, "pooled") && server->pool != NULL && server->executor == NULL;
  method->mid = field_u32(L, index, "mid");
  method->timeout_ms = field_u32(L, index, "timeout");
  set_returns(L, index, method);
  // An executor runs what its home has counted already.
  peri_method_limit(method, server->executor == NULL ? field_u32(L, index, "concurrency") : 0);
  lua_getfield(L, index, "chain");
  luaL_checktype(L, -1, LUA_TFUNCTION);
  drop_chain(L, method);
  method->chain = peri_ref(L);
  method->since = method->calls;
}

// What is exported no more lets go of its chain.
static void drop_closed(lua_State *L, const peri_exporter *exporter) {
  for (uint32_t i = 0; i <= exporter->mask; i++) {
    if (exporter->table[i] != NULL && !exporter->table[i]->open) {
      drop_chain(L, exporter->table[i]);
    }
  }
}

// Takes the methods at 3 and the options at 4.
static void fill(lua_State *L, peri_exporter *exporter, int mode) {
  exporter->int64 = (uint8_t)mode;
  lua_getfield(L, 4, "serialization");
  exporter->serializer = lua_isstring(L, -1) ? peri_serializer_by_name(lua_tostring(L, -1)) : NULL;
  lua_pop(L, 1);
  exporter->ramped = field_bool(L, 4, "ramped");
  uint32_t generation = field_u32(L, 4, "generation");
  size_t count = lua_objlen(L, 3);
  for (size_t i = 1; i <= count; i++) {
    lua_rawgeti(L, 3, (int)i);
    set_method(L, exporter, generation);
    lua_pop(L, 1);
  }
}

static int int64_mode(lua_State *L) {
  static const char *const modes[] = {"number", "cdata", "string", NULL};
  luaL_checktype(L, 3, LUA_TTABLE);
  luaL_checktype(L, 4, LUA_TTABLE);
  lua_getfield(L, 4, "int64");
  int mode = luaL_checkoption(L, -1, "number", modes);
  lua_pop(L, 1);
  return mode;
}

// core.export(interface, alias, methods, options) -> id, or nil, message
static int export(lua_State *L) {
  peri_vm *vm = peri_vm_of(L);
  const char *iface = luaL_checkstring(L, 1);
  const char *alias = luaL_checkstring(L, 2);
  int mode = int64_mode(L);
  peri_exporter *exporter = peri_exporter_add(&vm->server.exporters, iface, alias);
  if (exporter == NULL) {
    lua_pushnil(L);
    lua_pushfstring(L, "%s with alias '%s' is exported already", iface, alias);
    return 2;
  }
  fill(L, exporter, mode);
  lua_getfield(L, 4, "callback");
  if (lua_toboolean(L, -1) != 0) {
    // Nobody finds it by name: what calls it are callbacks, for which it stays open.
    vm->callback_run = peri_method_find(exporter, peri_bytes_of("notify"));
    peri_exporter_remove(&vm->server.exporters, exporter->id);
    vm->callback_run->open = true;
  }
  lua_pushnumber(L, exporter->id);
  return 1;
}

// core.reexport(id, nil, methods, options) -> boolean: these methods instead of those it has.
static int reexport(lua_State *L) {
  peri_exporters *table = &peri_vm_of(L)->server.exporters;
  peri_exporter *exporter = peri_exporter_get(table, (uint32_t)luaL_checkinteger(L, 1));
  int mode = int64_mode(L);
  if (exporter != NULL) {
    for (uint32_t i = 0; i <= exporter->mask; i++) {
      if (exporter->table[i] != NULL) {
        exporter->table[i]->open = false;
      }
    }
    fill(L, exporter, mode);
    drop_closed(L, exporter);
  }
  lua_pushboolean(L, exporter != NULL);
  return 1;
}

static int unexport(lua_State *L) {
  peri_exporters *table = &peri_vm_of(L)->server.exporters;
  uint32_t id = (uint32_t)luaL_checkinteger(L, 1);
  const peri_exporter *exporter = peri_exporter_get(table, id);
  peri_exporter_remove(table, id);
  if (exporter != NULL) {
    drop_closed(L, exporter);
  }
  return 0;
}

// core.drain(): refuses new calls, says goodbye on each accepted connection.
static int drain(lua_State *L) {
  peri_vm *vm = peri_vm_of(L);
  vm->server.draining = true;
  for (peri_list *n = vm->accepted.next; n != &vm->accepted; n = n->next) {
    peri_conn_drain(peri_container(n, peri_accepted, link)->conn);
  }
  return 0;
}

static void set_number(lua_State *L, const char *name, double value) {
  lua_pushnumber(L, value);
  lua_setfield(L, -2, name);
}

// Middles of buckets in ms, each with its count behind it.
static void push_histogram(lua_State *L, const peri_histogram *histogram) {
  int n = 0;
  lua_newtable(L);
  for (uint32_t i = 0; histogram != NULL && i < PERI_HISTOGRAM_BUCKETS; i++) {
    if (histogram->count[i] != 0) {
      lua_pushnumber(L, peri_histogram_middle(i) / 1e3);
      lua_rawseti(L, -2, ++n);
      lua_pushinteger(L, histogram->count[i]);
      lua_rawseti(L, -2, ++n);
    }
  }
  lua_setfield(L, -2, "took");
}

static void push_method(lua_State *L, const peri_method *method) {
  lua_createtable(L, 0, 9);
  lua_pushstring(L, method->exporter->iface);
  lua_setfield(L, -2, "interface");
  lua_pushstring(L, method->exporter->alias);
  lua_setfield(L, -2, "alias");
  lua_pushstring(L, method->name);
  lua_setfield(L, -2, "method");
  set_number(L, "calls", (double)method->calls);
  set_number(L, "errors", (double)method->errors);
  set_number(L, "rejected", (double)method->rejected);
  set_number(L, "active", (double)method->active);
  set_number(L, "busy_ms", (double)method->busy_ns / 1e6);
  push_histogram(L, method->took);
}

// core.method_stats(most): what this worker counted for each exported method.
static int method_stats(lua_State *L) {
  const peri_vm *vm = peri_vm_of(L);
  lua_Integer most = luaL_checkinteger(L, 1);
  int n = 0;
  lua_newtable(L);
  for (const peri_exporter *e = vm->server.exporters.first; e != NULL; e = e->next) {
    for (uint32_t i = 0; e->open && i <= e->mask && n < most; i++) {
      if (e->table[i] != NULL) {
        push_method(L, e->table[i]);
        lua_rawseti(L, -2, ++n);
      }
    }
  }
  return 1;
}

// core.forgive(ms): the queue stood still so long because of us
static int forgive(lua_State *L) {
  double ms = luaL_checknumber(L, 1);
  if (ms > 0) {
    peri_server_forgive(&peri_vm_of(L)->server, (uint64_t)(ms * 1e6));
  }
  return 0;
}

// core.calls(): calls in progress or queued in this VM.
static int calls(lua_State *L) {
  lua_pushnumber(L, peri_vm_of(L)->server.calls.live);
  return 1;
}

static int set_on_authenticate(lua_State *L) {
  peri_vm *vm = peri_vm_of(L);
  luaL_checktype(L, 1, LUA_TFUNCTION);
  peri_unref(L, vm->on_authenticate);
  lua_settop(L, 1);
  vm->on_authenticate = peri_ref(L);
  return 0;
}

static int set_on_cold(lua_State *L) {
  peri_vm *vm = peri_vm_of(L);
  luaL_checktype(L, 1, LUA_TFUNCTION);
  peri_unref(L, vm->on_cold);
  lua_settop(L, 1);
  vm->on_cold = peri_ref(L);
  return 0;
}

// core.authenticated(conn, session, request, passed, why, identity)
static int authenticated(lua_State *L) {
  peri_vm *vm = peri_vm_of(L);
  peri_accepted *accepted = peri_slots_by_number(&vm->accepted_slots, luaL_checknumber(L, 1));
  uint32_t id = (uint32_t)luaL_checkinteger(L, 2);
  bool passed = lua_toboolean(L, 4) != 0;
  const char *why = luaL_optstring(L, 5, "");
  const char *identity = luaL_optstring(L, 6, NULL);
  if (accepted == NULL || accepted->conn->channel == NULL) {
    return 0;
  }
  peri_session *session = peri_conn_session(accepted->conn, id);
  if (session != NULL && passed && identity != NULL) {
    free(session->identity);
    session->identity = peri_strdup(identity);
  }
  accepted->conn->protocol->authenticated(accepted->conn, id, (uint32_t)luaL_checkinteger(L, 3),
                                          passed, why);
  return 0;
}

const luaL_Reg peri_serve_functions[] = {
    {"export", export},
    {"reexport", reexport},
    {"unexport", unexport},
    {"drain", drain},
    {"forgive", forgive},
    {"calls", calls},
    {"method_stats", method_stats},
    {"on_authenticate", set_on_authenticate},
    {"on_cold", set_on_cold},
    {"authenticated", authenticated},
    {NULL, NULL},
};
