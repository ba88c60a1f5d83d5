// SPDX-License-Identifier: MIT
#include "lua/request.h"

#include <stdlib.h>

#include "base/limit.h"
#include "base/log.h"
#include "base/mem.h"
#include "cluster/node.h"
#include "lua/argument_types.h"
#include "lua/callback.h"
#include "lua/connect.h"
#include "lua/far.h"
#include "lua/local.h"
#include "lua/ref.h"
#include "lua/serve.h"
#include "lua/value.h"

// Ends the wait before it began: the fiber sees it in the next turn like any other failure.
void peri_wait_fail(peri_vm *vm, peri_fiber *fiber, int code, const char *message,
                    const char *outcome) {
  lua_State *co = fiber->co;
  lua_settop(co, 0);
  lua_pushstring(co, message != NULL ? message : peri_code_text(code));
  lua_pushstring(co, outcome);
  if (code == PERI_ETIMEOUT) {
    peri_fiber_wake_later(vm, fiber, code);  // every further call of this fiber ends so
  } else {
    peri_fiber_wake(vm, fiber, code);
  }
}

// A wait that failed before it began.
static int push_failure(const peri_fiber *fiber, lua_State *co) {
  // Either fail_now left (message, outcome), or the fiber was cancelled before it began.
  if (lua_gettop(co) != 2) {
    lua_settop(co, 0);
    lua_pushstring(co, peri_code_text(fiber->code));
    lua_pushliteral(co, "NOT_SENT");
  }
  if (fiber->wait == PERI_WAIT_REQUEST) {
    lua_pushboolean(co, 0);
  } else {
    lua_pushnil(co);
  }
  lua_insert(co, 1);
  lua_pushstring(co, peri_code_name(fiber->code));
  lua_insert(co, 2);
  return 4;
}

// --- request -----------------------------------------------------------------------------------

static const char *outcome_of(const peri_future *future) {
  if ((future->flags & PERI_FUTURE_NOT_RUN) != 0) {
    return "REFUSED";
  }
  return "UNKNOWN";
}

static int push_body(peri_vm *vm, const peri_fiber *fiber, const peri_future *future, lua_State *co,
                     peri_err *err) {
  const peri_serializer *serializer = peri_serializer_by_id(future->serializer);
  peri_bytes body = future->body;
  peri_buf plain = {0};
  if (body.len == 0) {
    lua_pushnil(co);
    return 0;
  }
  if (serializer != NULL && fiber->reads->id == serializer->id) {
    serializer = fiber->reads;
  }
  if (serializer == NULL) {
    return peri_fail(err, PERI_EPROTOCOL, "reply in unknown serialization %d", future->serializer);
  }
  if (future->compression != PERI_COMP_NONE) {
    const peri_compression *compression = peri_compression_by_id(future->compression);
    int code = compression == NULL ? PERI_EPROTOCOL
                                   : compression->decompress(body, vm->conn_limits.frame, &plain);
    if (code != 0) {
      peri_buf_fini(&plain);
      return peri_fail(err, code, "the reply could not be decompressed");
    }
    body = (peri_bytes){plain.data, plain.len};
  }
  peri_value_limits limits = vm->conn_limits.value;
  limits.exact = fiber->exact;
  int code = peri_value_decode(co, serializer, body, &limits, (peri_int64_mode)fiber->int64, err);
  peri_buf_fini(&plain);
  return code;
}

static int push_error(lua_State *co, int code, peri_bytes message, const char *outcome) {
  lua_pushboolean(co, 0);
  lua_pushstring(co, peri_code_name(code));
  if (message.len != 0) {
    lua_pushlstring(co, (const char *)message.ptr, message.len);
  } else {
    lua_pushstring(co, peri_code_text(code));
  }
  lua_pushstring(co, outcome);
  return 4;
}

// An exception that came as a value goes along with the outcome: { outcome, exception }.
static void push_exception(peri_vm *vm, const peri_fiber *fiber, const peri_future *future,
                           lua_State *co) {
  peri_err err;
  if (future->body.len == 0 || push_body(vm, fiber, future, co, &err) != 0) {
    return;
  }
  lua_createtable(co, 2, 0);
  lua_insert(co, -3);
  lua_rawseti(co, -3, 2);
  lua_rawseti(co, -2, 1);
}

static int push_reply(peri_vm *vm, peri_fiber *fiber, lua_State *co) {
  peri_err err;
  peri_future *future = peri_future_get(&vm->futures, fiber->future);
  int count;
  lua_settop(co, 0);
  if (future->code != 0) {
    count = push_error(co, future->code, future->message, outcome_of(future));
    push_exception(vm, fiber, future, co);
  } else {
    lua_pushboolean(co, 1);
    int code = push_body(vm, fiber, future, co, &err);
    if (code != 0) {
      lua_settop(co, 0);
      count = push_error(co, code, peri_bytes_of(err.text), "UNKNOWN");
    } else {
      count = 2;
    }
  }
  if (future->attachments.len != 0 &&
      peri_value_decode(co, peri_serializer_by_id(PERI_SER_MSGPACK), future->attachments,
                        &vm->conn_limits.value, PERI_INT64_NUMBER, &err) == 0) {
    count++;
  }
  if (future->user != NULL) {
    peri_counters_done_at(future->user, (double)future->began_ns / 1e6,
                          (double)vm->loop->now_ns / 1e6, peri_node_fault(future->code));
  }
  peri_future_release(&vm->futures, future);
  fiber->future = 0;
  return count;
}

static void request_done(peri_future *future) {
  peri_fiber *fiber = future->owner;
  if (__builtin_expect((future->flags & PERI_FUTURE_NOT_RUN) != 0, 0) && future->conn != NULL &&
      !((peri_conn *)future->conn)->server) {
    peri_callbacks_unoffer(((peri_conn *)future->conn)->arg, future->stream);
  }
  if (future->code == PERI_ETIMEOUT || future->code == PERI_ECANCELLED) {
    // Not the peer's answer: tell it that nobody waits any more.
    peri_conn *conn = future->conn;
    if (conn != NULL && conn->channel != NULL) {
      peri_conn_forget(conn, future->stream, true);
    } else if (conn == NULL && future->stream != 0) {
      peri_serve_cancel_local(fiber->vm, future->stream);
    }
  }
  peri_fiber_wake(fiber->vm, fiber, future->code);
}

// Places of what a request yields; see read_request.
enum { ARGS = PERI_REQUEST_ARGS, FIXED = PERI_REQUEST_FIXED };

// The flags: 1 one-way, 2 and 4 int64 mode, 8 generic; from here on the number of the arguments'
// declared types.
enum { GENERIC = 8, TYPES_SHIFT = PERI_REQUEST_TYPES_SHIFT };

typedef struct request {
  peri_conn *conn;
  peri_session *session;    // NULL = calls `callback`
  peri_link *link;          // NULL for a callback
  peri_callback *callback;  // of the peer; NULL for a call
  peri_bytes method;
  const peri_serializer *serializer;
  uint32_t timeout_ms;
  uint32_t flags;
} request;

static bool has_attachments(lua_State *co) {
  if (!lua_istable(co, 8)) {
    return false;
  }
  lua_pushnil(co);
  if (lua_next(co, 8) == 0) {
    return false;
  }
  lua_pop(co, 2);
  return true;
}

// Sees to it that the arguments lie on the top as values, where they are unless a table has them.
// Returns their number, negative when there are too many.
int peri_request_spread(lua_State *co) {
  if (lua_isnil(co, ARGS)) {
    return lua_gettop(co) - FIXED;
  }
  if (!lua_istable(co, ARGS)) {
    return -1;
  }
  lua_settop(co, FIXED);
  lua_pushliteral(co, "n");
  lua_rawget(co, ARGS);
  int count = lua_isnil(co, -1) ? (int)lua_objlen(co, ARGS) : (int)lua_tointeger(co, -1);
  lua_pop(co, 1);
  if (count > PERI_ARGS_MAX) {
    return count;
  }
  // Nobody catches what luaL_checkstack would throw here.
  if (count < 0 || !lua_checkstack(co, count)) {
    return -1;
  }
  for (int i = 1; i <= count; i++) {
    lua_rawgeti(co, ARGS, i);
  }
  return count;
}

// What a message says of the functions in it.
typedef struct callbacks {
  peri_buf names, classes;
} callbacks;

static bool is_native(const request *r) {
  return r->session != NULL ? r->session->native : r->conn->native;
}

// A callback of Java's may have parameters of any class: what it is called with tells which. Methods
// of services are found by their name, and their arguments read as they are declared there.
static int infer_classes(lua_State *co, int count, peri_event *event, callbacks *c, peri_err *err) {
  if (event->args_type.len != 0) {
    return 0;
  }
  int code = peri_argument_classes(co, FIXED + 1, count, &c->classes, err);
  event->args_type = (peri_bytes){c->classes.data, c->classes.len};
  return code;
}

// The peer may call the functions among the arguments: it gets their numbers instead.
static int offer_functions(peri_vm *vm, lua_State *co, int count, const request *r,
                           peri_event *event, callbacks *c, peri_err *err) {
  const int first = FIXED + 1;
  bool functions = false;
  for (int i = first; i < first + count; i++) {
    functions |= lua_type(co, i) == LUA_TFUNCTION;
  }
  if (r->flags >> TYPES_SHIFT != 0 && !is_native(r)) {
    event->args_type = peri_argument_types(vm->L, r->flags >> TYPES_SHIFT);
  }
  if (__builtin_expect(!functions && r->callback == NULL, 1) || r->serializer->id == PERI_SER_RAW) {
    return 0;  // where there are functions, encoding refuses them
  }
  bool by_type = (r->conn->protocol->abilities & PERI_CALLBACK_BY_TYPE) != 0;
  if (functions && by_type && event->args_type.len == 0) {
    return peri_fail(err, PERI_EBAD_REQUEST,
                     "declare the method's types with perilune.interface: without them this "
                     "protocol carries no functions");
  }
  if (r->link == NULL) {
    return r->conn->native ? 0 : infer_classes(co, count, event, c, err);
  }
  int code =
      peri_callbacks_offer(r->link, co, first, count, event->stream, is_native(r), &c->names, err);
  event->callback = (peri_bytes){c->names.data, c->names.len};
  return code;
}

static int write_message(peri_vm *vm, lua_State *co, int count, const request *r,
                         const peri_event *event, peri_err *err) {
  peri_mark mark;
  int code = r->conn->protocol->begin(r->conn, event, &mark);
  if (code != 0) {
    return peri_fail(err, code, "the request could not be begun: %s", peri_code_text(code));
  }
  code = peri_value_encode_args(co, FIXED + 1, count, r->serializer, &vm->conn_limits.value,
                                peri_conn_out(r->conn), err);
  if (code != 0) {
    r->conn->protocol->abort(r->conn, &mark);
    return code;
  }
  code = r->conn->protocol->end(r->conn, event, &mark);
  return code == 0
             ? 0
             : peri_fail(err, code, "the request could not be sent: %s", peri_code_text(code));
}

// Writes the message; on failure nothing of it is left in the output buffer.
static int write_request(peri_vm *vm, lua_State *co, const request *r, peri_event *event,
                         peri_err *err) {
  peri_buf attachments = {0};
  callbacks c = {0};
  int count = peri_request_spread(co);
  if (count < 0) {
    return peri_fail(err, PERI_EBAD_REQUEST, "call.args must be a list of at most %d arguments",
                     PERI_ARGS_MAX);
  }
  if (count > PERI_ARGS_MAX) {
    return peri_fail(err, PERI_ETOO_BIG, "a call has at most %d arguments", PERI_ARGS_MAX);
  }
  int code = 0;
  if (has_attachments(co)) {
    code = peri_value_encode(co, 8, peri_serializer_by_id(PERI_SER_MSGPACK), &vm->conn_limits.value,
                             &attachments, err);
    event->attachments = (peri_bytes){attachments.data, attachments.len};
    event->attachments_ser = PERI_SER_MSGPACK;
  }
  code = code == 0 ? offer_functions(vm, co, count, r, event, &c, err) : code;
  code = code == 0 ? write_message(vm, co, count, r, event, err) : code;
  if (code != 0 && c.names.len != 0) {
    peri_callbacks_unoffer(r->link, event->stream);
  }
  peri_buf_fini(&attachments);
  peri_buf_fini(&c.names);
  peri_buf_fini(&c.classes);
  return code;
}

// The pointer inside a cdata of the perilune library, NULL for nil.
static void *pointer_at(lua_State *co, int index) {
  enum { CDATA = 10 };  // LuaJIT's lua_type for cdata
  void *pointer = NULL;
  if (lua_type(co, index) == CDATA) {
    memcpy(&pointer, lua_topointer(co, index), sizeof pointer);
  }
  return pointer;
}

static const char FAR[] = "the connection is another worker's";

// Who is called: the session of a connection, or a function of a peer.
static const char *read_callee(peri_vm *vm, lua_State *co, request *r) {
  if (__builtin_expect(lua_type(co, 3) == LUA_TUSERDATA, 0)) {
    r->callback = peri_callback_at(vm, co, 3);
    if (r->callback == NULL) {
      return "the callback was closed";
    }
    if (peri_callback_is_far(vm, r->callback)) {
      return FAR;
    }
    r->conn = r->callback->conn;
    r->serializer = peri_serializer_by_id(r->callback->serializer);
    return r->conn == NULL || r->conn->channel == NULL
               ? "the connection of the callback's owner is closed"
               : NULL;
  }
  r->link = peri_slots_by_number(&vm->links, lua_tonumber(co, 3));
  if (r->link == NULL || r->link->conn == NULL || r->link->conn->channel == NULL) {
    return "the connection is closed";
  }
  r->conn = r->link->conn;
  r->session = peri_conn_session(r->conn, (uint32_t)lua_tonumber(co, 4));
  if (r->session == NULL) {
    return "the session is lost";
  }
  r->serializer = r->session->serializer;
  return NULL;
}

// (WAIT, REQUEST, conn or callback, session, method, args, timeout, attachments, flags, counters, values...)
// The arguments are in the table `args`, or the values when it is nil.
static const char *read_request(peri_vm *vm, lua_State *co, request *r) {
  const char *why = read_callee(vm, co, r);
  if (why != NULL) {
    return why;
  }
  if (peri_channel_is_full(r->conn->channel)) {
    return "the connection's output is above high water";
  }
  r->method.ptr = (const uint8_t *)lua_tolstring(co, 5, &r->method.len);
  r->flags = (uint32_t)lua_tointeger(co, 9);
  return NULL;
}

static void name_callee(peri_event *event, const request *r) {
  const peri_session *session = r->session;
  if (session == NULL) {
    event->flags |= PERI_EV_CALLBACK;
    event->callback = peri_bytes_of(r->callback->name);
    return;
  }
  event->session = r->session;
  event->iface = (peri_bytes){(const uint8_t *)session->iface, session->iface_len};
  event->alias = (peri_bytes){(const uint8_t *)session->alias, session->alias_len};
  event->compression = session->compression != NULL ? session->compression->id : PERI_COMP_NONE;
}

void peri_request_sent(peri_vm *vm, peri_fiber *fiber, int code, const peri_err *err) {
  if (code != 0) {
    peri_wait_fail(vm, fiber, code, err->text, "NOT_SENT");
    return;
  }
  lua_settop(fiber->co, 0);
  fiber->wait = PERI_WAIT_SLEEP;  // gives true in the next turn
  peri_fiber_wake(vm, fiber, 0);
}

static void begin_request(peri_vm *vm, peri_fiber *fiber) {
  lua_State *co = fiber->co;
  request r = {0};
  peri_err err;
  if (lua_gettop(co) < FIXED) {
    lua_settop(co, FIXED);
  }
  if (__builtin_expect(lua_type(co, 3) == LUA_TBOOLEAN, 0)) {
    peri_local_begin(vm, fiber, request_done);
    return;
  }
  const char *why = read_request(vm, co, &r);
  if (why == FAR) {
    peri_far_begin(vm, fiber, r.callback, request_done);
    return;
  }
  if (why != NULL) {
    peri_wait_fail(vm, fiber, PERI_ECLOSED, why, "NOT_SENT");
    return;
  }
  double left = peri_fiber_left(vm, fiber, lua_tonumber(co, 7));
  if (left <= 0) {
    peri_wait_fail(vm, fiber, PERI_ETIMEOUT, "the deadline passed before the call was sent",
                   "NOT_SENT");
    return;
  }
  peri_future *future = peri_future_new(&vm->futures, request_done, fiber);
  if (future == NULL) {
    peri_wait_fail(vm, fiber, PERI_EOVERLOADED,
                   "too many calls of this worker wait for an answer (limit futures)", "NOT_SENT");
    return;
  }
  bool oneway = (r.flags & 1) != 0;
  fiber->int64 = r.flags >> 1 & 3;
  fiber->exact = r.flags >> TYPES_SHIFT != 0;
  fiber->reads = r.serializer;
  peri_event event = {
      .type = PERI_EV_OPEN,
      .flags = (uint8_t)(PERI_EV_END | (oneway ? PERI_EV_ONEWAY : 0) |
                         ((r.flags & GENERIC) != 0 ? PERI_EV_GENERIC : 0)),
      .serializer = r.serializer->id,
      .timeout_ms = (uint32_t)(left < 1 ? 1 : left),
      .method = r.method,
  };
  name_callee(&event, &r);
  event.stream = peri_conn_expect(r.conn, future);
  future->conn = r.conn;
  future->stream = event.stream;
  int code = write_request(vm, co, &r, &event, &err);
  if (code != 0 || oneway) {
    peri_conn_forget(r.conn, event.stream, false);
    peri_future_release(&vm->futures, future);
    peri_request_sent(vm, fiber, code, &err);
    return;
  }
  future->user = pointer_at(co, FIXED);
  future->began_ns = vm->loop->now_ns;
  if (future->user != NULL) {
    peri_counters_begin_at(future->user);
  }
  lua_settop(co, 0);
  fiber->future = future->id;
  fiber->begun = true;
  peri_future_arm(&vm->futures, future, (uint64_t)left);
}

void peri_request_begin(peri_vm *vm, peri_fiber *fiber) {
  switch (fiber->wait) {
  case PERI_WAIT_REQUEST: begin_request(vm, fiber); break;
  case PERI_WAIT_CONNECT: peri_connect_begin(vm, fiber); break;
  case PERI_WAIT_SESSION: peri_session_begin(vm, fiber); break;
  default: peri_wait_fail(vm, fiber, PERI_EINTERNAL, "unknown wait", "NOT_SENT");
  }
}

void peri_request_cancel(peri_vm *vm, peri_fiber *fiber, int code) {
  if (fiber->wait == PERI_WAIT_REQUEST) {
    peri_future_cancel(&vm->futures, fiber->future);
    return;
  }
  // The attempt itself cannot be taken back; its result goes nowhere (see opening_end, on_session).
  fiber->begun = false;
  fiber->op = NULL;
  peri_fiber_wake(vm, fiber, code);
}

int peri_request_push(peri_vm *vm, peri_fiber *fiber, lua_State *co) {
  if (!fiber->begun) {
    return push_failure(fiber, co);
  }
  switch (fiber->wait) {
  case PERI_WAIT_REQUEST: return push_reply(vm, fiber, co);
  case PERI_WAIT_CONNECT: return peri_connect_push(vm, fiber, co);
  default: return peri_session_push(vm, fiber, co);
  }
}
