// SPDX-License-Identifier: MIT
#include "lua/request.h"

#include <stdlib.h>

#include "base/limit.h"
#include "base/log.h"
#include "base/mem.h"
#include "cluster/node.h"
#include "lua/ref.h"
#include "lua/value.h"

// Ends the wait before it began: the fiber sees it in the next turn like any other failure.
static void fail_now(peri_vm *vm, peri_fiber *fiber, int code, const char *message,
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
  int code = peri_value_decode(co, serializer, body, &vm->conn_limits.value,
                               (peri_int64_mode)fiber->int64, err);
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

static int push_reply(peri_vm *vm, peri_fiber *fiber, lua_State *co) {
  peri_err err;
  peri_future *future = peri_future_get(&vm->futures, fiber->future);
  int count;
  lua_settop(co, 0);
  if (future->code != 0) {
    count = push_error(co, future->code, future->message, outcome_of(future));
  } else {
    lua_pushboolean(co, 1);
    int code = push_body(vm, fiber, future, co, &err);
    if (code != 0) {
      lua_settop(co, 0);
      count = push_error(co, code, peri_bytes_of(err.text), "UNKNOWN");
    } else if (future->attachments.len != 0 &&
               peri_value_decode(co, peri_serializer_by_id(PERI_SER_MSGPACK), future->attachments,
                                 &vm->conn_limits.value, PERI_INT64_NUMBER, &err) == 0) {
      count = 3;
    } else {
      count = 2;
    }
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
  if (future->code == PERI_ETIMEOUT || future->code == PERI_ECANCELLED) {
    // Not the peer's answer: tell it that nobody waits any more.
    peri_conn *conn = future->conn;
    if (conn != NULL && conn->channel != NULL) {
      peri_conn_forget(conn, future->stream, true);
    }
  }
  peri_fiber_wake(fiber->vm, fiber, future->code);
}

typedef struct request {
  peri_conn *conn;
  peri_session *session;
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

static int argument_count(lua_State *co) {
  if (!lua_istable(co, 6)) {
    return -1;
  }
  lua_pushliteral(co, "n");
  lua_rawget(co, 6);
  int count = lua_isnil(co, -1) ? (int)lua_objlen(co, 6) : (int)lua_tointeger(co, -1);
  lua_pop(co, 1);
  return count;
}

// Writes the message; on failure nothing of it is left in the output buffer.
static int write_request(peri_vm *vm, lua_State *co, const request *r, peri_event *event,
                         peri_err *err) {
  peri_mark mark;
  peri_buf attachments = {0};
  int count = argument_count(co);
  // Nobody catches what luaL_checkstack would throw here.
  if (count < 0 || count > PERI_ARGS_MAX || !lua_checkstack(co, count + 4)) {
    return peri_fail(err, PERI_ETOO_BIG, "a call has at most %d arguments", PERI_ARGS_MAX);
  }
  if (has_attachments(co)) {
    int code = peri_value_encode(co, 8, peri_serializer_by_id(PERI_SER_MSGPACK),
                                 &vm->conn_limits.value, &attachments, err);
    if (code != 0) {
      peri_buf_fini(&attachments);
      return code;
    }
    event->attachments = (peri_bytes){attachments.data, attachments.len};
    event->attachments_ser = PERI_SER_MSGPACK;
  }
  int code = r->conn->protocol->begin(r->conn, event, &mark);
  if (code == 0) {
    int first = lua_gettop(co) + 1;
    for (int i = 1; i <= count; i++) {
      lua_rawgeti(co, 6, i);
    }
    code = peri_value_encode_args(co, first, count, r->serializer, &vm->conn_limits.value,
                                  peri_conn_out(r->conn), err);
    if (code != 0) {
      r->conn->protocol->abort(r->conn, &mark);
    } else {
      code = r->conn->protocol->end(r->conn, event, &mark);
      if (code != 0) {
        peri_fail(err, code, "the request could not be sent: %s", peri_code_text(code));
      }
    }
  } else {
    peri_fail(err, code, "the request could not be begun: %s", peri_code_text(code));
  }
  peri_buf_fini(&attachments);
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

// (WAIT, REQUEST, conn, session, method, args, timeout, attachments, flags, counters)
static const char *read_request(peri_vm *vm, lua_State *co, request *r) {
  peri_link *link = peri_slots_by_number(&vm->links, lua_tonumber(co, 3));
  if (link == NULL || link->conn == NULL || link->conn->channel == NULL) {
    return "the connection is closed";
  }
  r->conn = link->conn;
  r->session = peri_conn_session(link->conn, (uint32_t)lua_tonumber(co, 4));
  if (r->session == NULL) {
    return "the session is lost";
  }
  if (peri_channel_is_full(link->conn->channel)) {
    return "the connection's output is above high water";
  }
  r->method.ptr = (const uint8_t *)lua_tolstring(co, 5, &r->method.len);
  r->serializer = r->session->serializer;
  r->flags = (uint32_t)lua_tointeger(co, 9);
  return NULL;
}

static void begin_request(peri_vm *vm, peri_fiber *fiber) {
  lua_State *co = fiber->co;
  request r = {0};
  peri_err err;
  lua_settop(co, 10);
  const char *why = read_request(vm, co, &r);
  if (why != NULL) {
    fail_now(vm, fiber, PERI_ECLOSED, why, "NOT_SENT");
    return;
  }
  double left = peri_fiber_left(vm, fiber, lua_tonumber(co, 7));
  if (left <= 0) {
    fail_now(vm, fiber, PERI_ETIMEOUT, "the deadline passed before the call was sent", "NOT_SENT");
    return;
  }
  peri_future *future = peri_future_new(&vm->futures, request_done, fiber);
  if (future == NULL) {
    fail_now(vm, fiber, PERI_EOVERLOADED,
             "too many calls of this worker wait for an answer (limit futures)", "NOT_SENT");
    return;
  }
  bool oneway = (r.flags & 1) != 0;
  fiber->int64 = (uint8_t)(r.flags >> 1 & 3);
  fiber->reads = r.serializer;
  peri_event event = {
      .type = PERI_EV_OPEN,
      .flags = (uint8_t)(PERI_EV_END | (oneway ? PERI_EV_ONEWAY : 0)),
      .serializer = r.serializer->id,
      .compression = r.session->compression != NULL ? r.session->compression->id : PERI_COMP_NONE,
      .timeout_ms = (uint32_t)(left < 1 ? 1 : left),
      .session = r.session,
      .iface = peri_bytes_of(r.session->iface),
      .alias = peri_bytes_of(r.session->alias),
      .method = r.method,
  };
  event.stream = peri_conn_expect(r.conn, future);
  future->conn = r.conn;
  future->stream = event.stream;
  int code = write_request(vm, co, &r, &event, &err);
  if (code != 0 || oneway) {
    peri_conn_forget(r.conn, event.stream, false);
    peri_future_release(&vm->futures, future);
    if (code != 0) {
      fail_now(vm, fiber, code, err.text, "NOT_SENT");
    } else {
      lua_settop(co, 0);
      fiber->wait = PERI_WAIT_SLEEP;  // gives true in the next turn
      peri_fiber_wake(vm, fiber, 0);
    }
    return;
  }
  future->user = pointer_at(co, 10);
  future->began_ns = vm->loop->now_ns;
  if (future->user != NULL) {
    peri_counters_begin_at(future->user);
  }
  lua_settop(co, 0);
  fiber->future = future->id;
  fiber->begun = true;
  peri_future_arm(&vm->futures, future, (uint64_t)left);
}

// --- connect -----------------------------------------------------------------------------------

typedef struct opening {
  peri_list under_way;  // in vm->openings
  peri_vm *vm;          // NULL once it is gone
  peri_id fiber;
  const peri_protocol *protocol;
  peri_id link;
  int code;
  char why[200];
  int on_close, on_drain;
} opening;

typedef struct link_task {
  peri_task task;
  double link;
  int code;
} link_task;

static int push_link(peri_task *task, lua_State *L) {
  const link_task *t = peri_container(task, link_task, task);
  lua_pushnumber(L, t->link);
  lua_pushstring(L, peri_code_name(t->code));
  return 2;
}

static void free_link_task(peri_task *task) {
  free(peri_container(task, link_task, task));
}

static void tell(peri_vm *vm, int fn, peri_id link, int code) {
  if (fn == LUA_NOREF) {
    return;
  }
  link_task *t = peri_calloc(1, sizeof *t);
  t->task.fn = fn;
  t->task.push = push_link;
  t->task.free = free_link_task;
  t->link = peri_id_to_lua(link);
  t->code = code;
  peri_vm_task(vm, &t->task);
}

static void client_event(void *arg, peri_conn *conn, const peri_event *event) {
  (void)arg;
  if (event->type == PERI_EV_OPEN) {
    peri_event reply = {
        .type = PERI_EV_REPLY,
        .flags = PERI_EV_END | PERI_EV_NOT_RUN,
        .serializer = event->serializer,
        .code = PERI_ENO_SERVICE,
        .stream = event->stream,
        .message = peri_bytes_of("this peer serves no calls on a client connection"),
        .callback = event->callback,
    };
    conn->protocol->emit(conn, &reply);
  }
}

static void client_drained(void *arg, peri_conn *conn) {
  peri_link *link = arg;
  (void)conn;
  tell(link->vm, link->on_drain, link->id, 0);
}

static void client_closed(void *arg, peri_conn *conn, int code) {
  peri_link *link = arg;
  peri_vm *vm = link->vm;
  (void)conn;
  link->conn = NULL;
  tell(vm, link->on_close, link->id, code);
  // The tasks keep the functions alive by their own references until they started.
  peri_vm_unref_later(vm, link->on_close);
  peri_vm_unref_later(vm, link->on_drain);
  peri_slots_release(&vm->links, link->id);
}

static const peri_conn_handler client_handler = {
    .event = client_event,
    .drained = client_drained,
    .closed = client_closed,
};

static void opening_end(opening *o) {
  peri_fiber *fiber = peri_slots_get(&o->vm->fibers.slots, o->fiber);
  if (fiber != NULL && fiber->begun && fiber->op == o) {
    peri_fiber_wake(o->vm, fiber, o->code);
    return;
  }
  // Whoever asked was cancelled meanwhile.
  peri_link *link = peri_slots_get(&o->vm->links, o->link);
  if (link != NULL && link->conn != NULL) {
    peri_conn_close(link->conn, PERI_ECANCELLED);
  }
  peri_vm_unref_later(o->vm, o->on_close);
  peri_vm_unref_later(o->vm, o->on_drain);
  free(o);
}

static const char too_many_links[] =
    "too many connections from this worker (limit connections_out)";

static void on_connected(void *arg, peri_channel *channel, int code, const char *why) {
  opening *o = arg;
  peri_vm *vm = o->vm;
  peri_list_remove(&o->under_way);
  if (vm == NULL) {
    if (channel != NULL) {
      peri_channel_close(channel, PERI_ECANCELLED);
    }
    free(o);
    return;
  }
  o->code = code;
  peri_link *link = channel != NULL ? peri_slots_take(&vm->links, &o->link) : NULL;
  if (link != NULL) {
    link->id = o->link;
    link->vm = vm;
    link->on_close = o->on_close;
    link->on_drain = o->on_drain;
    o->on_close = o->on_drain = LUA_NOREF;
    link->conn = peri_conn_start(channel, o->protocol, &client_handler, link, &vm->conn_limits);
    if (link->conn == NULL) {
      peri_slots_release(&vm->links, o->link);
      link = NULL;
    }
  } else if (channel != NULL) {
    peri_channel_close(channel, PERI_EOVERLOADED);
  }
  if (channel != NULL && link == NULL) {
    o->code = PERI_EOVERLOADED;
    why = too_many_links;
    peri_limit_hit(PERI_LIMIT_CONNECTIONS_OUT);
  }
  snprintf(o->why, sizeof o->why, "%s", why != NULL ? why : peri_code_text(o->code));
  opening_end(o);
}

static int push_connected(peri_vm *vm, peri_fiber *fiber, lua_State *co) {
  opening *o = fiber->op;
  int count;
  lua_settop(co, 0);
  fiber->op = NULL;
  if (o->code == 0) {
    lua_pushnumber(co, peri_id_to_lua(o->link));
    count = 1;
  } else {
    lua_pushnil(co);
    lua_pushstring(co, peri_code_name(o->code));
    lua_pushstring(co, o->why);
    count = 3;
  }
  peri_vm_unref_later(vm, o->on_close);
  peri_vm_unref_later(vm, o->on_drain);
  free(o);
  return count;
}

static int function_field(lua_State *co, int index, const char *name) {
  if (!lua_istable(co, index)) {
    return LUA_NOREF;
  }
  lua_getfield(co, index, name);
  if (!lua_isfunction(co, -1)) {
    lua_pop(co, 1);
    return LUA_NOREF;
  }
  return peri_ref(co);
}

static double number_field(lua_State *co, int index, const char *name, double otherwise) {
  if (!lua_istable(co, index)) {
    return otherwise;
  }
  lua_getfield(co, index, name);
  double value = lua_isnumber(co, -1) ? lua_tonumber(co, -1) : otherwise;
  lua_pop(co, 1);
  return value;
}

static const char *string_field(lua_State *co, int index, const char *name, const char *otherwise) {
  // The string stays reachable from the table, which stays on the stack.
  if (!lua_istable(co, index)) {
    return otherwise;
  }
  lua_getfield(co, index, name);
  const char *value = lua_isstring(co, -1) ? lua_tostring(co, -1) : otherwise;
  lua_pop(co, 1);
  return value;
}

// (WAIT, CONNECT, url, options)
static void begin_connect(peri_vm *vm, peri_fiber *fiber) {
  lua_State *co = fiber->co;
  peri_err err;
  lua_settop(co, 4);
  const char *url = lua_tostring(co, 3);
  const char *name = string_field(co, 4, "protocol", "joyrpc");
  const peri_protocol *protocol = peri_protocol_by_name(name);
  if (url == NULL || protocol == NULL) {
    fail_now(vm, fiber, PERI_ECONFIG, url == NULL ? "connect needs a URL" : "unknown protocol",
             "NOT_SENT");
    return;
  }
  if (vm->links.live >= vm->links.limit) {
    peri_limit_hit(PERI_LIMIT_CONNECTIONS_OUT);
    fail_now(vm, fiber, PERI_EOVERLOADED, too_many_links, "NOT_SENT");
    return;
  }
  double left = peri_fiber_left(vm, fiber, number_field(co, 4, "timeout", 5000));
  opening *o = peri_calloc(1, sizeof *o);
  *o = (opening){.vm = vm, .fiber = fiber->id, .protocol = protocol};
  o->on_close = function_field(co, 4, "on_close");
  o->on_drain = function_field(co, 4, "on_drain");
  fiber->op = o;
  fiber->begun = true;
  peri_list_push(&vm->openings, &o->under_way);
  int code = peri_connect(vm->loop, url, (uint32_t)(left < 1 ? 1 : left), on_connected, o, &err);
  lua_settop(co, 0);
  if (code != 0) {
    peri_list_remove(&o->under_way);
    o->code = code;
    snprintf(o->why, sizeof o->why, "%.199s", err.text);
    peri_fiber_wake(vm, fiber, code);
  }
}

// --- session -----------------------------------------------------------------------------------

typedef struct negotiating {
  peri_vm *vm;
  peri_id fiber;
  peri_id link;
  uint32_t session;
  int code;
  char why[200];
} negotiating;

static void on_session(void *arg, peri_session *session, int code, const char *why) {
  negotiating *n = arg;
  n->code = code;
  n->session = session != NULL ? session->id : 0;
  snprintf(n->why, sizeof n->why, "%s", why != NULL ? why : peri_code_text(code));
  peri_fiber *fiber = peri_slots_get(&n->vm->fibers.slots, n->fiber);
  if (fiber != NULL && fiber->begun && fiber->op == n) {
    peri_fiber_wake(n->vm, fiber, code);
  } else {
    free(n);
  }
}

static void push_session_table(lua_State *co, const peri_session *session) {
  peri_err err;
  lua_createtable(co, 0, 6);
  lua_pushnumber(co, session->id);
  lua_setfield(co, -2, "id");
  lua_pushboolean(co, session->native);
  lua_setfield(co, -2, "native");
  lua_pushstring(co, session->serializer->name);
  lua_setfield(co, -2, "serializer");
  lua_pushstring(co, session->compression != NULL ? session->compression->name : NULL);
  lua_setfield(co, -2, "compression");
  lua_pushnumber(co, (double)session->remote_start_ms);
  lua_setfield(co, -2, "remote_start");
  if (session->attributes.len == 0 ||
      peri_value_decode(co, peri_serializer_by_id(PERI_SER_MSGPACK),
                        (peri_bytes){session->attributes.data, session->attributes.len},
                        &PERI_VALUE_LIMITS_DEFAULT, PERI_INT64_NUMBER, &err) != 0) {
    lua_newtable(co);
  }
  lua_setfield(co, -2, "attributes");
}

static int push_negotiated(peri_vm *vm, peri_fiber *fiber, lua_State *co) {
  negotiating *n = fiber->op;
  peri_link *link = peri_slots_get(&vm->links, n->link);
  peri_session *session = n->code == 0 && link != NULL && link->conn != NULL
                              ? peri_conn_session(link->conn, n->session)
                              : NULL;
  int count = 1;
  lua_settop(co, 0);
  fiber->op = NULL;
  if (session != NULL) {
    push_session_table(co, session);
  } else {
    lua_pushnil(co);
    lua_pushstring(co, peri_code_name(n->code != 0 ? n->code : PERI_ECLOSED));
    lua_pushstring(co, n->code != 0 ? n->why : "the connection closed during the negotiation");
    count = 3;
  }
  free(n);
  return count;
}

enum { MAX_PAIRS = 32 };

// Collects the string pairs of the table in field `name` into `pairs`, NULL-terminated.
static void pairs_field(lua_State *co, int index, const char *name, const char **pairs) {
  int count = 0;
  pairs[0] = NULL;
  if (!lua_istable(co, index)) {
    return;
  }
  lua_getfield(co, index, name);
  if (lua_istable(co, -1)) {
    for (lua_pushnil(co); lua_next(co, -2) != 0 && count < MAX_PAIRS; lua_pop(co, 1)) {
      if (lua_type(co, -2) == LUA_TSTRING && lua_type(co, -1) == LUA_TSTRING) {
        pairs[2 * count] = lua_tostring(co, -2);
        pairs[2 * count + 1] = lua_tostring(co, -1);
        pairs[2 * ++count] = NULL;
      }
    }
  }
  lua_settop(co, 4);
}

// (WAIT, SESSION, conn, params)
static void begin_session(peri_vm *vm, peri_fiber *fiber) {
  lua_State *co = fiber->co;
  const char *attributes[2 * MAX_PAIRS + 1];
  const char *auth[2 * MAX_PAIRS + 1];
  lua_settop(co, 4);
  peri_link *link = peri_slots_by_number(&vm->links, lua_tonumber(co, 3));
  if (link == NULL || link->conn == NULL || link->conn->channel == NULL || !lua_istable(co, 4)) {
    fail_now(vm, fiber, PERI_ECLOSED, "the connection is closed", "NOT_SENT");
    return;
  }
  peri_session_params params = {
      .iface = string_field(co, 4, "interface", ""),
      .alias = string_field(co, 4, "alias", ""),
      .serializer = string_field(co, 4, "serialization", NULL),
      .compression = string_field(co, 4, "compression", NULL),
      .timeout_ms = (uint32_t)peri_fiber_left(vm, fiber, number_field(co, 4, "timeout", 3000)),
      .session_timeout_ms = 90000,
      .attributes = attributes,
  };
  pairs_field(co, 4, "attributes", attributes);
  lua_getfield(co, 4, "auth");
  if (lua_istable(co, -1)) {
    lua_replace(co, 3);
    params.auth_type = string_field(co, 3, "type", NULL);
    pairs_field(co, 3, "attributes", auth);
    params.auth_attributes = auth;
  }
  negotiating *n = peri_calloc(1, sizeof *n);
  *n = (negotiating){.vm = vm, .fiber = fiber->id, .link = link->id};
  fiber->op = n;
  fiber->begun = true;
  int code = link->conn->protocol->open_session(link->conn, &params, on_session, n);
  lua_settop(co, 0);
  if (code != 0) {
    n->code = code;
    snprintf(n->why, sizeof n->why, "%s", peri_code_text(code));
    peri_fiber_wake(vm, fiber, code);
  }
}

void peri_request_begin(peri_vm *vm, peri_fiber *fiber) {
  switch (fiber->wait) {
  case PERI_WAIT_REQUEST: begin_request(vm, fiber); break;
  case PERI_WAIT_CONNECT: begin_connect(vm, fiber); break;
  case PERI_WAIT_SESSION: begin_session(vm, fiber); break;
  default: fail_now(vm, fiber, PERI_EINTERNAL, "unknown wait", "NOT_SENT");
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
  case PERI_WAIT_CONNECT: return push_connected(vm, fiber, co);
  default: return push_negotiated(vm, fiber, co);
  }
}

// --- functions that do not wait ----------------------------------------------------------------

// core.disconnect(conn [, code])
static int disconnect(lua_State *L) {
  peri_vm *vm = peri_vm_of(L);
  peri_link *link = peri_slots_by_number(&vm->links, luaL_checknumber(L, 1));
  if (link == NULL || link->conn == NULL) {
    return 0;
  }
  if (lua_isnoneornil(L, 2)) {
    peri_conn_finish(link->conn);
  } else {
    int code = peri_code_by_name(luaL_checkstring(L, 2));
    peri_conn_close(link->conn, code == 1 ? PERI_EUNKNOWN : code);
  }
  return 0;
}

static int links(lua_State *L) {
  lua_pushnumber(L, peri_vm_of(L)->links.live);
  return 1;
}

const luaL_Reg peri_request_functions[] = {
    {"disconnect", disconnect},
    {"links", links},
    {NULL, NULL},
};

void peri_request_abandon(peri_vm *vm) {
  peri_list *node;
  while ((node = peri_list_pop(&vm->openings)) != NULL) {
    peri_container(node, opening, under_way)->vm = NULL;
  }
}

void peri_request_close_all(peri_vm *vm) {
  for (uint32_t i = 0; i < vm->links.fresh; i++) {
    peri_slot *slot = peri_slots_header(&vm->links, i);
    peri_link *link = (peri_link *)(void *)(slot + 1);
    if ((slot->gen & 1) != 0 && link->conn != NULL) {
      peri_conn_close(link->conn, PERI_ESHUTDOWN);
    }
  }
}
