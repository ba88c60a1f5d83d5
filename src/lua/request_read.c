// SPDX-License-Identifier: MIT
#include "lua/far.h"
#include "lua/raw.h"
#include "lua/request_parts.h"

const char peri_request_local[] = "the call is one of this process";
const char peri_request_far[] = "the connection is another worker's";

static const char CLOSED[] = "the connection is closed";

// The pointer inside a cdata of the perilune library, NULL for nil.
static void *pointer_at(lua_State *co, int index) {
  enum { CDATA = 10 };  // LuaJIT's lua_type for cdata
  void *pointer = NULL;
  if (lua_type(co, index) == CDATA) {
    memcpy(&pointer, lua_topointer(co, index), sizeof pointer);
  }
  return pointer;
}

static const char *read_session(peri_vm *vm, double link, double session, peri_asked *asked) {
  asked->link = peri_slots_by_number(&vm->links, link);
  if (asked->link == NULL || asked->link->conn == NULL || asked->link->conn->channel == NULL) {
    return CLOSED;
  }
  asked->conn = asked->link->conn;
  asked->session = peri_conn_session(asked->conn, (uint32_t)session);
  if (asked->session == NULL) {
    return "the session is lost";
  }
  asked->serializer = asked->session->serializer;
  return NULL;
}

static const char *read_callback(peri_vm *vm, lua_State *co, peri_asked *asked) {
  asked->callback = peri_callback_at(vm, co, PERI_REQUEST_CALLEE);
  if (asked->callback == NULL) {
    return "the callback was closed";
  }
  if (peri_callback_is_far(vm, asked->callback)) {
    return peri_request_far;
  }
  asked->conn = asked->callback->conn;
  asked->serializer = peri_serializer_by_id(asked->callback->serializer);
  return asked->conn == NULL || asked->conn->channel == NULL
             ? "the connection of the callback's owner is closed"
             : NULL;
}

static const char *read_values(peri_vm *vm, lua_State *co, peri_asked *asked) {
  if (lua_gettop(co) < PERI_REQUEST_FIXED) {
    lua_settop(co, PERI_REQUEST_FIXED);
  }
  int kind = lua_type(co, PERI_REQUEST_CALLEE);
  if (kind == LUA_TBOOLEAN) {
    return peri_request_local;
  }
  asked->method.ptr = (const uint8_t *)lua_tolstring(co, PERI_REQUEST_METHOD, &asked->method.len);
  asked->timeout = lua_tonumber(co, PERI_REQUEST_TIMEOUT);
  asked->flags = (uint32_t)lua_tointeger(co, PERI_REQUEST_FLAGS);
  asked->counters = pointer_at(co, PERI_REQUEST_COUNTERS);
  return kind == LUA_TUSERDATA ? read_callback(vm, co, asked)
                               : read_session(vm, lua_tonumber(co, PERI_REQUEST_CALLEE),
                                              lua_tonumber(co, PERI_REQUEST_SESSION), asked);
}

static peri_bytes bytes_of(peri_raw value) {
  const peri_raw_string *s = peri_raw_to_string(value);
  return (peri_bytes){(const uint8_t *)s->text, s->len};
}

// Is it a call of a service on a connection with its arguments as values and no attachments? So are
// nearly all; through the API, reading one takes longer than writing its message.
static bool is_usual(const peri_raw *values, size_t count) {
  return count >= PERI_REQUEST_FIXED && peri_raw_is_number(values[PERI_REQUEST_CALLEE - 1]) &&
         peri_raw_is_number(values[PERI_REQUEST_SESSION - 1]) &&
         peri_raw_tag(values[PERI_REQUEST_METHOD - 1]) == PERI_RAW_STRING &&
         peri_raw_tag(values[PERI_REQUEST_ARGS - 1]) == PERI_RAW_NIL &&
         peri_raw_is_number(values[PERI_REQUEST_TIMEOUT - 1]) &&
         peri_raw_tag(values[PERI_REQUEST_ATTACHMENTS - 1]) == PERI_RAW_NIL &&
         peri_raw_is_number(values[PERI_REQUEST_FLAGS - 1]);
}

static const char *read_usual(peri_vm *vm, const peri_raw *values, size_t count,
                              peri_asked *asked) {
  asked->method = bytes_of(values[PERI_REQUEST_METHOD - 1]);
  asked->timeout = values[PERI_REQUEST_TIMEOUT - 1].number;
  asked->flags = (uint32_t)values[PERI_REQUEST_FLAGS - 1].number;
  if (peri_raw_tag(values[PERI_REQUEST_COUNTERS - 1]) == PERI_RAW_CDATA) {
    memcpy(&asked->counters, peri_raw_to_cdata(values[PERI_REQUEST_COUNTERS - 1]),
           sizeof asked->counters);
  }
  if (count == PERI_REQUEST_FIXED + 1 &&
      peri_raw_tag(values[PERI_REQUEST_FIXED]) == PERI_RAW_STRING) {
    asked->body = bytes_of(values[PERI_REQUEST_FIXED]);
  }
  return read_session(vm, values[PERI_REQUEST_CALLEE - 1].number,
                      values[PERI_REQUEST_SESSION - 1].number, asked);
}

const char *peri_request_read(peri_vm *vm, lua_State *co, peri_asked *asked) {
  size_t count;
  const peri_raw *values = peri_raw_usable() ? peri_raw_values(co, &count) : NULL;
  *asked = (peri_asked){0};
  const char *why = values != NULL && is_usual(values, count) ? read_usual(vm, values, count, asked)
                                                              : read_values(vm, co, asked);
  if (why == NULL && peri_channel_is_full(asked->conn->channel)) {
    return "the connection's output is above high water";
  }
  return why;
}
