// SPDX-License-Identifier: MIT
#include "lua/serve.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/limit.h"
#include "base/log.h"
#include "base/mem.h"
#include "lua/ref.h"
#include "lua/value.h"

static const peri_value_limits *value_limits(const peri_vm *vm) {
  return &vm->conn_limits.value;
}

static void fail_text(peri_vm *vm, peri_call *call, int code, const char *text, bool not_run) {
  peri_call_fail(&vm->server, call, code, peri_bytes_of(text), not_run);
}

// Replaces a compressed body by its plain form in a block of its own.
static int inflate(peri_vm *vm, peri_call *call) {
  const peri_compression *compression = peri_compression_by_id(call->compression);
  if (compression == NULL) {
    return PERI_EBAD_REQUEST;
  }
  peri_buf plain = {0};
  int code = compression->decompress(call->body, vm->conn_limits.frame, &plain);
  if (code == PERI_ETOO_BIG) {
    peri_limit_hit(PERI_LIMIT_FRAME_SIZE);
  }
  size_t len = plain.len;
  // Attachments point into the old block; they move along.
  if (code == 0 && call->attachments.len != 0) {
    peri_buf_add(&plain, call->attachments.ptr, call->attachments.len);
  }
  peri_block *block = code == 0 ? peri_block_copy((peri_bytes){plain.data, plain.len}) : NULL;
  peri_buf_fini(&plain);
  if (block == NULL) {
    return code != 0 ? code : PERI_ENO_MEMORY;
  }
  peri_block_unref(call->block);
  call->block = block;
  call->body = (peri_bytes){block->data, len};
  call->attachments.ptr = block->data + len;
  call->compression = PERI_COMP_NONE;
  peri_call_pin(&vm->server, call);
  return 0;
}

// Pushes the count of arguments and then either the arguments, cut to what the handler takes, or one
// table of them. Returns how many values were pushed, or PERI_E* with none.
static int push_args(peri_vm *vm, peri_call *call, lua_State *co, peri_err *err) {
  const peri_serializer *serializer = peri_serializer_by_id(call->serializer);
  if (serializer == NULL) {
    return peri_fail(err, PERI_EBAD_REQUEST, "serialization %d is not known here",
                     call->serializer);
  }
  int arity = call->method->arity;
  int base = lua_gettop(co) + 1;
  lua_pushnil(co);  // becomes the count
  int count = peri_value_decode_args(co, serializer, call->body, value_limits(vm),
                                     call->method->exporter->int64, err);
  if (count < 0) {
    lua_settop(co, base - 1);
    return count;
  }
  lua_pushinteger(co, count);
  lua_replace(co, base);
  if (arity >= 0) {
    lua_settop(co, base + (count < arity ? count : arity));
    return lua_gettop(co) - base + 1;
  }
  lua_createtable(co, count, 1);
  lua_insert(co, base + 1);
  for (int i = count; i > 0; i--) {
    lua_rawseti(co, base + 1, i);
  }
  return 2;
}

// Puts the chain and its arguments on the fiber's stack. Returns their count or PERI_E*.
static int prepare(peri_vm *vm, peri_call *call, lua_State *co, peri_err *err) {
  int base = lua_gettop(co);
  if (call->compression != PERI_COMP_NONE) {
    int code = inflate(vm, call);
    if (code != 0) {
      const char *text = code == PERI_ETOO_BIG ? "over frame_size" : peri_code_text(code);
      return peri_fail(err, code, "the body could not be decompressed: %s", text);
    }
  }
  peri_ref_push(co, call->method->chain);
  lua_pushnumber(co, (double)(uint32_t)call->id);
  lua_pushnumber(co, (double)(uint32_t)(call->id >> 32));
  if (call->method->body || call->serializer == PERI_SER_RAW) {
    return 2;
  }
  int pushed = push_args(vm, call, co, err);
  if (pushed < 0) {
    lua_settop(co, base);
    return pushed;
  }
  return 2 + pushed;
}

// The arguments cannot be handed over. What is merely wrong gets an answer; who sends a bomb gets
// that and no further word.
static void refuse(peri_vm *vm, peri_call *call, int code, const char *why) {
  peri_conn *conn = call->conn;
  fail_text(vm, call, code, why, false);
  if (code == PERI_ETOO_BIG && conn != NULL && !conn->closing) {
    peri_conn_complain(conn, code, "CALL-TOO-BIG", "%s", why);
    peri_conn_finish(conn);
  }
}

static void refuse_fiber(peri_vm *vm, peri_call *call) {
  char text[96];
  snprintf(text, sizeof text, "too many coroutines in this worker (coroutines = %u)",
           vm->fibers.slots.limit);
  fail_text(vm, call, PERI_EOVERLOADED, text, true);
}

bool peri_serve_next(peri_vm *vm) {
  peri_err err;
  peri_call *call = peri_server_next(&vm->server);
  if (call == NULL) {
    return false;
  }
  peri_fiber *fiber = peri_fiber_take(vm);
  if (fiber == NULL) {
    refuse_fiber(vm, call);
    return true;
  }
  fiber->call = call->id;
  fiber->serves = true;
  fiber->deadline_ns = call->deadline_ns;
  peri_list_push(&call->fibers, &fiber->of_call);
  int nargs = prepare(vm, call, fiber->co, &err);
  if (nargs < 0) {
    peri_list_remove(&fiber->of_call);  // its list ends with the call
    refuse(vm, call, nargs, err.text);
    fiber->serves = false;
    peri_fiber_discard(vm, fiber);
    return true;
  }
  atomic_store_explicit(&vm->current, call->method, memory_order_release);
  peri_fiber_resume(vm, fiber, nargs);
  return true;
}

static void reply_value(peri_vm *vm, peri_call *call, lua_State *co) {
  peri_mark mark;
  peri_err err;
  const peri_serializer *serializer = peri_serializer_by_id(call->serializer);
  peri_buf *out = peri_call_reply_begin(call, serializer, &mark);
  if (out == NULL) {
    peri_call_reply_null(&vm->server, call);
    return;
  }
  int code = peri_value_encode(co, 2, serializer, value_limits(vm), out, &err);
  if (code == 0) {
    peri_call_reply_end(&vm->server, call, &mark);
    return;
  }
  peri_call_reply_undo(call, &mark);
  peri_log(PERI_LOG_ERROR, "REPLY-ENCODE", "%s.%s: %s", call->method->exporter->iface,
           call->method->name, err.text);
  peri_call_fail(&vm->server, call, PERI_EINTERNAL, peri_bytes_of("the result cannot be encoded"),
                 false);
}

static void reply_body(peri_vm *vm, peri_call *call, lua_State *co) {
  peri_id id = (peri_id)(uint32_t)lua_tonumber(co, 3) << 32 | (uint32_t)lua_tonumber(co, 2);
  const peri_call *from = peri_server_call(&vm->server, id);
  if (from == NULL) {
    fail_text(vm, call, PERI_ECALL_OVER, "the body returned belongs to a call that is over", false);
    return;
  }
  peri_call_reply_body(&vm->server, call, from);
}

static void reply_error(peri_vm *vm, peri_call *call, lua_State *co) {
  size_t len = 0;
  int code = (int)lua_tointeger(co, 2);
  const char *text = lua_tolstring(co, 3, &len);
  peri_call_fail(&vm->server, call, code != 0 ? code : PERI_EUNKNOWN,
                 (peri_bytes){(const uint8_t *)text, len}, lua_toboolean(co, 4) != 0);
}

// The call is about to be released: other fibers that worked for it lose their tie.
static void untie(peri_call *call) {
  peri_list *node;
  while ((node = peri_list_pop(&call->fibers)) != NULL) {
    peri_container(node, peri_fiber, of_call)->call = 0;
  }
}

static peri_call *ending(peri_vm *vm, peri_fiber *fiber) {
  peri_call *call = peri_server_call(&vm->server, fiber->call);
  peri_check(call != NULL);
  atomic_store_explicit(&vm->current, NULL, memory_order_relaxed);
  fiber->serves = false;
  untie(call);
  return call;
}

void peri_serve_done(peri_vm *vm, peri_fiber *fiber) {
  lua_State *co = fiber->co;
  peri_call *call = ending(vm, fiber);
  switch (lua_tointeger(co, 1)) {
  case PERI_REPLY_VALUE: reply_value(vm, call, co); break;
  case PERI_REPLY_BODY: reply_body(vm, call, co); break;
  case PERI_REPLY_ERROR: reply_error(vm, call, co); break;
  default: peri_call_reply_null(&vm->server, call);
  }
}

void peri_serve_crashed(peri_vm *vm, peri_fiber *fiber) {
  fail_text(vm, ending(vm, fiber), PERI_EINTERNAL, "internal error", false);
}

// --- connection handler ------------------------------------------------------------------------

static void cancel_call(void *arg, peri_call *call) {
  peri_vm *vm = arg;
  for (peri_list *n = call->fibers.next; n != &call->fibers;) {
    peri_fiber *fiber = peri_container(n, peri_fiber, of_call);
    n = n->next;
    peri_fiber_cancel(vm, fiber, PERI_ECANCELLED);
  }
}

static void on_event(void *arg, peri_conn *conn, const peri_event *event) {
  peri_vm *vm = arg;
  if (event->type == PERI_EV_OPEN) {
    peri_server_open(&vm->server, conn, event);
  } else if (event->type == PERI_EV_CANCEL) {
    peri_call *call = peri_server_find(conn, event->stream);
    if (call != NULL) {
      call->oneway = true;  // nobody waits for the answer any more
      if (call->state == PERI_CALL_RUNNING) {
        cancel_call(vm, call);
      } else {
        call->deadline_ns = vm->loop->now_ns;  // dropped when its turn comes
      }
    }
  }
}

static void on_closed(void *arg, peri_conn *conn, int code) {
  peri_vm *vm = arg;
  (void)code;
  peri_accepted *accepted = conn->user;
  peri_server_forget(&vm->server, conn, cancel_call, vm);
  peri_list_remove(&accepted->link);
  if (accepted->gone != NULL) {
    accepted->gone(accepted->gone_arg);
  }
  peri_slots_release(&vm->accepted_slots, accepted->id);
  atomic_fetch_sub_explicit(&vm->connections, 1, memory_order_relaxed);
}

typedef struct auth_task {
  peri_task task;
  peri_vm *vm;
  peri_id conn;
  uint32_t session, request;
  char *type, *iface, *alias;
  peri_buf attributes;
} auth_task;

static int push_auth(peri_task *task, lua_State *L) {
  auth_task *auth = peri_container(task, auth_task, task);
  peri_err err;
  lua_pushnumber(L, peri_id_to_lua(auth->conn));
  lua_pushnumber(L, auth->session);
  lua_pushnumber(L, auth->request);
  lua_pushstring(L, auth->type);
  if (peri_value_decode(L, peri_serializer_by_id(PERI_SER_MSGPACK),
                        (peri_bytes){auth->attributes.data, auth->attributes.len},
                        &PERI_VALUE_LIMITS_DEFAULT, PERI_INT64_NUMBER, &err) != 0) {
    lua_newtable(L);
  }
  // A task starts with a function and two values: the rest travels in one table.
  lua_createtable(L, 0, 7);
  lua_pushstring(L, auth->iface);
  lua_setfield(L, -2, "interface");
  lua_pushstring(L, auth->alias);
  lua_setfield(L, -2, "alias");
  static const char *const names[] = {"attributes", "type", "request", "session", "conn"};
  for (int i = 0; i < 5; i++) {
    lua_insert(L, -2);
    lua_setfield(L, -2, names[i]);
  }
  return 1;
}

static void free_auth(peri_task *task) {
  auth_task *auth = peri_container(task, auth_task, task);
  auth->vm->authenticating--;
  free(auth->type);
  free(auth->iface);
  free(auth->alias);
  peri_buf_fini(&auth->attributes);
  free(auth);
}

static int on_authenticate(void *arg, peri_conn *conn, peri_session *session, uint32_t request,
                           peri_bytes type, peri_bytes attributes) {
  peri_vm *vm = arg;
  if (vm->on_authenticate == LUA_NOREF) {
    return 0;
  }
  if (vm->authenticating >= vm->authenticating_max) {
    peri_limit_hit(PERI_LIMIT_AUTHENTICATIONS);
    return PERI_EOVERLOADED;
  }
  vm->authenticating++;
  auth_task *auth = peri_calloc(1, sizeof *auth);
  auth->vm = vm;
  auth->task.fn = vm->on_authenticate;
  auth->task.push = push_auth;
  auth->task.free = free_auth;
  auth->conn = ((peri_accepted *)conn->user)->id;
  auth->session = session->id;
  auth->request = request;
  auth->iface = peri_strdup(session->iface != NULL ? session->iface : "");
  auth->alias = peri_strdup(session->alias != NULL ? session->alias : "");
  auth->type = peri_strndup((const char *)type.ptr, type.len);
  peri_buf_add(&auth->attributes, attributes.ptr, attributes.len);
  peri_vm_task(vm, &auth->task);
  return PERI_AGAIN;
}

const peri_conn_handler peri_serve_handler = {
    .event = on_event,
    .authenticate = on_authenticate,
    .closed = on_closed,
};

// --- what a call in progress tells Lua ---------------------------------------------------------

static peri_call *call_at(lua_State *L) {
  peri_vm *vm = peri_vm_of(L);
  peri_id id = (peri_id)(uint32_t)lua_tonumber(L, 2) << 32 | (uint32_t)lua_tonumber(L, 1);
  return peri_server_call(&vm->server, id);
}

static void push_attachments(lua_State *L, const peri_call *call) {
  peri_err err;
  const peri_serializer *serializer = peri_serializer_by_id(call->attachments_ser);
  if (call->attachments.len == 0 || serializer == NULL ||
      peri_value_decode(L, serializer, call->attachments, value_limits(peri_vm_of(L)),
                        PERI_INT64_NUMBER, &err) != 0) {
    lua_newtable(L);
  }
}

static void push_session_attributes(lua_State *L, const peri_call *call) {
  peri_err err;
  if (call->session == NULL || call->session->attributes.len == 0 ||
      peri_value_decode(L, peri_serializer_by_id(PERI_SER_MSGPACK),
                        (peri_bytes){call->session->attributes.data, call->session->attributes.len},
                        value_limits(peri_vm_of(L)), PERI_INT64_NUMBER, &err) != 0) {
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
  lua_pushstring(L, call->method->name);
}
static void get_peer(lua_State *L, const peri_call *call) {
  bool there = call->conn != NULL && call->conn->channel != NULL;
  lua_pushstring(L, there ? peri_channel_peer(call->conn->channel) : "gone");
}
static void get_local(lua_State *L, const peri_call *call) {
  bool there = call->conn != NULL && call->conn->channel != NULL;
  lua_pushboolean(L, there && peri_channel_is_local(call->conn->channel));
}
static void get_serializer(lua_State *L, const peri_call *call) {
  const peri_serializer *serializer = peri_serializer_by_id(call->serializer);
  lua_pushstring(L, serializer != NULL ? serializer->name : "unknown");
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
  lua_pushboolean(L, call->session != NULL && !call->foreign && call->session->authenticated);
}
static void get_session(lua_State *L, const peri_call *call) {
  lua_pushnumber(L, call->session != NULL ? call->session->id : 0);
}
static void get_native(lua_State *L, const peri_call *call) {
  lua_pushboolean(L, call->session != NULL && call->session->native);
}
static void get_gone(lua_State *L, const peri_call *call) {
  lua_pushboolean(L, call->conn == NULL);
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
  const peri_vm *vm = peri_vm_of(L);
  const peri_call *call = call_at(L);
  const peri_serializer *serializer = call != NULL ? peri_serializer_by_id(call->serializer) : NULL;
  lua_settop(L, 0);
  lua_newtable(L);
  int count = serializer == NULL
                  ? PERI_EBAD_REQUEST
                  : peri_value_decode_args(L, serializer, call->body, value_limits(vm),
                                           call->method->exporter->int64, &err);
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

// The call the running fiber works for: slot, gen; nothing when there is none.
static int current(lua_State *L) {
  peri_vm *vm = peri_vm_of(L);
  const peri_fiber *fiber = vm->fibers.running;
  if (fiber == NULL || fiber->call == 0) {
    return 0;
  }
  lua_pushnumber(L, (double)(uint32_t)fiber->call);
  lua_pushnumber(L, (double)(uint32_t)(fiber->call >> 32));
  return 2;
}

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

static void add_method(lua_State *L, peri_exporter *exporter) {
  size_t len;
  lua_getfield(L, -1, "name");
  const char *name = luaL_checklstring(L, -1, &len);
  peri_method *method = peri_exporter_method(exporter, name, len);
  lua_pop(L, 1);
  int index = lua_gettop(L);
  method->body = field_bool(L, index, "body");
  lua_getfield(L, index, "arity");
  method->arity = lua_isnumber(L, -1) ? (int16_t)lua_tointeger(L, -1) : -1;
  lua_pop(L, 1);
  method->timeout_ms = field_u32(L, index, "timeout");
  method->concurrency = field_u32(L, index, "concurrency");
  if (method->concurrency != 0) {
    lua_pushfstring(L, "%s/%s/%s", exporter->iface, exporter->alias, method->name);
    method->gate = peri_gate_of(lua_tostring(L, -1));
    lua_pop(L, 1);
  }
  lua_getfield(L, index, "chain");
  luaL_checktype(L, -1, LUA_TFUNCTION);
  method->chain = peri_ref(L);
}

// core.export(interface, alias, methods, options) -> id, or nil, message
static int export(lua_State *L) {
  peri_vm *vm = peri_vm_of(L);
  const char *iface = luaL_checkstring(L, 1);
  const char *alias = luaL_checkstring(L, 2);
  static const char *const modes[] = {"number", "cdata", "string", NULL};
  luaL_checktype(L, 3, LUA_TTABLE);
  luaL_checktype(L, 4, LUA_TTABLE);
  lua_getfield(L, 4, "int64");
  int mode = luaL_checkoption(L, -1, "number", modes);
  peri_exporter *exporter = peri_exporter_add(&vm->server.exporters, iface, alias);
  if (exporter == NULL) {
    lua_pushnil(L);
    lua_pushfstring(L, "%s with alias '%s' is exported already", iface, alias);
    return 2;
  }
  exporter->int64 = (uint8_t)mode;
  size_t count = lua_objlen(L, 3);
  for (size_t i = 1; i <= count; i++) {
    lua_rawgeti(L, 3, (int)i);
    add_method(L, exporter);
    lua_pop(L, 1);
  }
  lua_pushnumber(L, exporter->id);
  return 1;
}

static int unexport(lua_State *L) {
  peri_exporter_remove(&peri_vm_of(L)->server.exporters, (uint32_t)luaL_checkinteger(L, 1));
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
    {"unexport", unexport},
    {"call_get", call_get},
    {"call_alive", call_alive},
    {"call_body", call_body},
    {"call_args", call_args},
    {"call_reply_attachments", call_reply_attachments},
    {"current", current},
    {"drain", drain},
    {"calls", calls},
    {"on_authenticate", set_on_authenticate},
    {"authenticated", authenticated},
    {NULL, NULL},
};
