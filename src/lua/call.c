// SPDX-License-Identifier: MIT
// What a call in progress tells Lua: the fields behind ctx and call, by slot and generation. A call
// that is over gives nothing.
#include <stdlib.h>

#include "entry/call_ffi.h"
#include "entry/executor.h"
#include "lua/callback.h"
#include "lua/serve.h"
#include "lua/serve_generic.h"
#include "lua/value.h"

static peri_call *call_at(lua_State *L) {
  peri_vm *vm = peri_vm_of(L);
  peri_id id = (peri_id)(uint32_t)lua_tonumber(L, 2) << 32 | (uint32_t)lua_tonumber(L, 1);
  return peri_server_call(&vm->server, id);
}

static void push_attachments(lua_State *L, const peri_call *call) {
  peri_err err;
  const peri_serializer *serializer = peri_serializer_by_id(call->attachments_ser);
  if (call->attachments.len == 0 || serializer == NULL ||
      peri_value_decode(L, serializer, call->attachments, &peri_vm_of(L)->conn_limits.value,
                        PERI_INT64_NUMBER, &err) != 0) {
    lua_newtable(L);
  }
}

static void push_session_attributes(lua_State *L, const peri_call *call) {
  peri_err err;
  if (call->session == NULL || call->session->attributes.len == 0 ||
      peri_value_decode(L, peri_serializer_by_id(PERI_SER_MSGPACK),
                        (peri_bytes){call->session->attributes.data, call->session->attributes.len},
                        &peri_vm_of(L)->conn_limits.value, PERI_INT64_NUMBER, &err) != 0) {
    lua_newtable(L);
  }
}

typedef void (*getter)(lua_State *L, const peri_call *call);

static void get_interface(lua_State *L, const peri_call *call) {
  lua_pushstring(L, call->method->exporter->iface);
}
static void get_alias(lua_State *L, const peri_call *call) {
  lua_pushstring(L, call->method->exporter->alias);
}
static void get_method(lua_State *L, const peri_call *call) {
  bool ours = call->method == peri_vm_of(L)->callback_run && call->callback != NULL;
  const char *called = ours ? call->callback + strlen(call->callback) + 1 : "";
  lua_pushstring(L, *called != '\0' ? called : call->method->name);
}
static uint32_t facts_of(lua_State *L, const peri_call *call) {
  return peri_call_facts(&peri_vm_of(L)->server, (uint32_t)call->id, (uint32_t)(call->id >> 32));
}
static void get_peer(lua_State *L, const peri_call *call) {
  lua_pushstring(
      L, peri_call_peer(&peri_vm_of(L)->server, (uint32_t)call->id, (uint32_t)(call->id >> 32)));
}
static void get_local(lua_State *L, const peri_call *call) {
  lua_pushboolean(L, (facts_of(L, call) & PERI_FACT_LOCAL) != 0);
}
static void get_serializer(lua_State *L, const peri_call *call) {
  const peri_serializer *serializer = peri_serializer_by_id(call->serializer);
  lua_pushstring(L, serializer != NULL ? serializer->name : "unknown");
}

static void get_plain(lua_State *L, const peri_call *call) {
  const peri_serializer *serializer = peri_serializer_by_id(call->serializer);
  lua_pushboolean(L, serializer != NULL && (!serializer->self_typed || serializer->untyped));
}

static void get_timeout_left(lua_State *L, const peri_call *call) {
  uint64_t now = peri_vm_of(L)->loop->now_ns;
  lua_pushnumber(L, call->deadline_ns > now ? (double)(call->deadline_ns - now) / 1e6 : 0);
}
static void get_body_len(lua_State *L, const peri_call *call) {
  lua_pushnumber(L, (double)call->body.len);
}
static void get_identity(lua_State *L, const peri_call *call) {
  lua_pushstring(L, call->session != NULL && !call->foreign ? call->session->identity : NULL);
}
static void get_authenticated(lua_State *L, const peri_call *call) {
  lua_pushboolean(L, (facts_of(L, call) & PERI_FACT_AUTHENTICATED) != 0);
}
static void get_session(lua_State *L, const peri_call *call) {
  lua_pushnumber(L, call->session != NULL ? call->session->id : 0);
}
static void get_native(lua_State *L, const peri_call *call) {
  lua_pushboolean(L, (facts_of(L, call) & PERI_FACT_NATIVE) != 0);
}
static void get_gone(lua_State *L, const peri_call *call) {
  bool gone = call->hired ? atomic_load(&call->job->cancelled) == PERI_ECANCELLED
                          : call->conn == NULL && !call->local;
  lua_pushboolean(L, gone);
}
static void get_oneway(lua_State *L, const peri_call *call) {
  lua_pushboolean(L, call->oneway);
}
static void get_waited(lua_State *L, const peri_call *call) {
  lua_pushnumber(L, (double)(peri_vm_of(L)->loop->now_ns - call->arrived_ns) / 1e6);
}

static const struct {
  const char *name;
  getter get;
} getters[] = {
    {"method", get_method},
    {"interface", get_interface},
    {"alias", get_alias},
    {"attachments", push_attachments},
    {"timeout_left", get_timeout_left},
    {"plain", get_plain},
    {"peer", get_peer},
    {"is_local", get_local},
    {"serializer", get_serializer},
    {"body_len", get_body_len},
    {"identity", get_identity},
    {"authenticated", get_authenticated},
    {"session", get_session},
    {"session_attributes", push_session_attributes},
    {"native", get_native},
    {"gone", get_gone},
    {"oneway", get_oneway},
    {"waited", get_waited},
};

// core.call_get(slot, gen, name): nothing at all when the call is over.
static int call_get(lua_State *L) {
  const peri_call *call = call_at(L);
  const char *name = luaL_checkstring(L, 3);
  if (call == NULL) {
    return 0;
  }
  for (size_t i = 0; i < sizeof getters / sizeof getters[0]; i++) {
    if (strcmp(getters[i].name, name) == 0) {
      getters[i].get(L, call);
      return 1;
    }
  }
  return luaL_error(L, "call_get: no field '%s'", name);
}

static int call_alive(lua_State *L) {
  lua_pushboolean(L, call_at(L) != NULL);
  return 1;
}

// core.call_body(slot, gen [, i [, j]]): a copy as a string, positions as in string.sub.
static int call_body(lua_State *L) {
  const peri_call *call = call_at(L);
  if (call == NULL) {
    return 0;
  }
  lua_Integer len = (lua_Integer)call->body.len;
  lua_Integer i = luaL_optinteger(L, 3, 1);
  lua_Integer j = luaL_optinteger(L, 4, -1);
  i = i < 0 ? len + i + 1 : i;
  j = j < 0 ? len + j + 1 : j;
  i = i < 1 ? 1 : i;
  j = j > len ? len : j;
  if (i > j) {
    lua_pushliteral(L, "");
  } else {
    lua_pushlstring(L, (const char *)call->body.ptr + i - 1, (size_t)(j - i + 1));
  }
  return 1;
}

// core.call_args(slot, gen): all arguments as a table with `n`, decoded anew; false when they cannot be.
static int call_args(lua_State *L) {
  peri_err err;
  peri_vm *vm = peri_vm_of(L);
  peri_call *call = call_at(L);
  const peri_serializer *serializer = call != NULL ? peri_serve_serializer(call) : NULL;
  lua_settop(L, 0);
  lua_newtable(L);
  int count = PERI_EBAD_REQUEST;
  if (serializer != NULL) {
    peri_value_limits limits = peri_serve_limits(vm, call);
    count = peri_value_decode_args(L, serializer, call->body, &limits,
                                   call->method->exporter->int64, &err);
  }
  if (count >= 0 && call->generic) {
    count = peri_generic_spread(call, L, 2, count, &err);
  }
  if (count >= 0 && call->callback != NULL &&
      peri_callbacks_adopt(vm, call, L, lua_gettop(L) - count + 1, count, &err) != 0) {
    count = PERI_EBAD_REQUEST;
  }
  if (count < 0) {
    lua_pushboolean(L, 0);
    return 1;
  }
  for (int i = count; i > 0; i--) {
    lua_rawseti(L, 1, i);
  }
  lua_pushinteger(L, count);
  lua_setfield(L, 1, "n");
  return 1;
}

static int call_reply_attachments(lua_State *L) {
  peri_err err;
  peri_buf out = {0};
  peri_call *call = call_at(L);
  if (call == NULL) {
    return 0;
  }
  if (peri_value_encode(L, 3, peri_serializer_by_id(PERI_SER_MSGPACK), &PERI_VALUE_LIMITS_DEFAULT,
                        &out, &err) != 0) {
    peri_buf_fini(&out);
    return luaL_error(L, "reply attachments: %s", err.text);
  }
  free((void *)call->reply_attachments.ptr);
  call->reply_attachments = (peri_bytes){out.data, out.len};
  return 0;
}

// The call the running fiber works for: slot, gen, number of its method; nothing when there is none.
static int current(lua_State *L) {
  const peri_fiber *fiber = peri_vm_of(L)->fibers.running;
  if (fiber == NULL || fiber->call == NULL) {
    return 0;
  }
  lua_pushnumber(L, (double)(uint32_t)fiber->call->id);
  lua_pushnumber(L, (double)(uint32_t)(fiber->call->id >> 32));
  lua_pushnumber(L, fiber->call->method->mid);
  return 3;
}

const luaL_Reg peri_call_functions[] = {
    {"call_get", call_get},
    {"call_alive", call_alive},
    {"call_body", call_body},
    {"call_args", call_args},
    {"call_reply_attachments", call_reply_attachments},
    {"current", current},
    {NULL, NULL},
};
