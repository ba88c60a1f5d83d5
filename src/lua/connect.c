// SPDX-License-Identifier: MIT
// Connecting, negotiating, and the connections a VM has made.
#include "lua/connect.h"

#include <stdlib.h>
#include <string.h>

#include "base/limit.h"
#include "base/log.h"
#include "base/mem.h"
#include "cluster/node.h"
#include "lua/callback.h"
#include "lua/ref.h"
#include "lua/serve.h"
#include "lua/value.h"

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
  peri_link *link = arg;
  if (event->type == PERI_EV_OPEN && (event->flags & PERI_EV_CALLBACK) != 0) {
    peri_callback_serve(link, event);
  } else if (event->type == PERI_EV_CANCEL) {
    peri_serve_cancel(link->vm, conn, event->stream);
  } else if (event->type == PERI_EV_OPEN) {
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
  peri_callbacks_revoke_all(link);
  peri_serve_forget(vm, conn);
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
    peri_list_init(&link->offers);
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

int peri_connect_push(peri_vm *vm, peri_fiber *fiber, lua_State *co) {
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

bool peri_request_may_connect(const peri_vm *vm) {
  return vm->links.live + vm->sockets.live < vm->links.limit;
}

// (WAIT, CONNECT, url, options)
void peri_connect_begin(peri_vm *vm, peri_fiber *fiber) {
  lua_State *co = fiber->co;
  peri_err err;
  lua_settop(co, 4);
  const char *url = lua_tostring(co, 3);
  const char *name = string_field(co, 4, "protocol", NULL);
  char transport[512];
  const peri_protocol *by_scheme =
      url != NULL ? peri_protocol_of_url(url, transport, sizeof transport) : NULL;
  const peri_protocol *protocol = name != NULL        ? peri_protocol_by_name(name)
                                  : by_scheme != NULL ? by_scheme
                                                      : peri_protocol_at(0);
  if (url == NULL || protocol == NULL) {
    peri_wait_fail(vm, fiber, PERI_ECONFIG,
                   url == NULL ? "connect needs a URL" : "unknown protocol", "NOT_SENT");
    return;
  }
  if (!peri_request_may_connect(vm)) {
    peri_limit_hit(PERI_LIMIT_CONNECTIONS_OUT);
    peri_wait_fail(vm, fiber, PERI_EOVERLOADED, too_many_links, "NOT_SENT");
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
  int code =
      peri_connect(vm->loop, transport, (uint32_t)(left < 1 ? 1 : left), on_connected, o, &err);
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

int peri_session_push(peri_vm *vm, peri_fiber *fiber, lua_State *co) {
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
void peri_session_begin(peri_vm *vm, peri_fiber *fiber) {
  lua_State *co = fiber->co;
  const char *attributes[2 * MAX_PAIRS + 1];
  const char *auth[2 * MAX_PAIRS + 1];
  lua_settop(co, 4);
  peri_link *link = peri_slots_by_number(&vm->links, lua_tonumber(co, 3));
  if (link == NULL || link->conn == NULL || link->conn->channel == NULL || !lua_istable(co, 4)) {
    peri_wait_fail(vm, fiber, PERI_ECLOSED, "the connection is closed", "NOT_SENT");
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

// core.expecting(conn): requests that wait for their answer on it.
static int expecting(lua_State *L) {
  peri_link *link = peri_slots_by_number(&peri_vm_of(L)->links, luaL_checknumber(L, 1));
  lua_pushnumber(L, link != NULL && link->conn != NULL ? peri_conn_expecting(link->conn) : 0);
  return 1;
}

static int links(lua_State *L) {
  lua_pushnumber(L, peri_vm_of(L)->links.live);
  return 1;
}

// core.protocols(): the names of the protocols spoken here, which are schemes of URLs too.
static int protocols(lua_State *L) {
  const peri_protocol *protocol;
  lua_newtable(L);
  for (int n = 0; (protocol = peri_protocol_at((size_t)n)) != NULL; n++) {
    lua_pushstring(L, protocol->name);
    lua_rawseti(L, -2, n + 1);
  }
  return 1;
}

const luaL_Reg peri_request_functions[] = {
    {"disconnect", disconnect},
    {"expecting", expecting},
    {"links", links},
    {"protocols", protocols},
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
