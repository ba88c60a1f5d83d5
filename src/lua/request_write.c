// SPDX-License-Identifier: MIT
// The message of a request: its arguments, its attachments, and the functions among them.
#include "lua/argument_types.h"
#include "lua/request_parts.h"
#include "lua/value.h"

// How many there are; negative when one has no name.
static int count_attachments(lua_State *co) {
  int count = 0;
  if (!lua_istable(co, PERI_REQUEST_ATTACHMENTS)) {
    return 0;
  }
  for (lua_pushnil(co); lua_next(co, PERI_REQUEST_ATTACHMENTS) != 0; lua_pop(co, 1)) {
    if (lua_type(co, -2) != LUA_TSTRING) {
      lua_pop(co, 2);
      return -1;
    }
    count++;
  }
  return count;
}

// Sees to it that the arguments lie on the top as values, where they are unless a table has them.
// Returns their number, negative when there are too many.
int peri_request_spread(lua_State *co) {
  if (lua_isnil(co, PERI_REQUEST_ARGS)) {
    return lua_gettop(co) - PERI_REQUEST_FIXED;
  }
  if (!lua_istable(co, PERI_REQUEST_ARGS)) {
    return -1;
  }
  lua_settop(co, PERI_REQUEST_FIXED);
  lua_pushliteral(co, "n");
  lua_rawget(co, PERI_REQUEST_ARGS);
  int count =
      lua_isnil(co, -1) ? (int)lua_objlen(co, PERI_REQUEST_ARGS) : (int)lua_tointeger(co, -1);
  lua_pop(co, 1);
  if (count > PERI_ARGS_MAX) {
    return count;
  }
  // Nobody catches what luaL_checkstack would throw here.
  if (count < 0 || !lua_checkstack(co, count)) {
    return -1;
  }
  for (int i = 1; i <= count; i++) {
    lua_rawgeti(co, PERI_REQUEST_ARGS, i);
  }
  return count;
}

// What a message says of the functions in it.
typedef struct callbacks {
  peri_buf names, classes;
} callbacks;

static bool is_native(const peri_asked *r) {
  return r->session != NULL ? r->session->native : r->conn->native;
}

// A callback of Java's may have parameters of any class: what it is called with tells which. Methods
// of services are found by their name, and their arguments read as they are declared there.
static int infer_classes(lua_State *co, int count, const peri_asked *r, peri_event *event,
                         callbacks *c, peri_err *err) {
  if (event->args_type.len != 0) {
    return 0;
  }
  int code = peri_argument_classes(co, PERI_REQUEST_FIXED + 1, count,
                                   r->conn->protocol->function_class, &c->classes, err);
  event->args_type = (peri_bytes){c->classes.data, c->classes.len};
  return code;
}

// The peer may call the functions among the arguments: it gets their numbers instead.
static int offer_functions(peri_vm *vm, lua_State *co, int count, const peri_asked *r,
                           peri_event *event, callbacks *c, peri_err *err) {
  const int first = PERI_REQUEST_FIXED + 1;
  bool functions = false;
  for (int i = first; i < first + count; i++) {
    functions |= lua_type(co, i) == LUA_TFUNCTION;
  }
  if (r->flags >> PERI_REQUEST_TYPES_SHIFT != 0 && !is_native(r)) {
    event->args_type = peri_argument_types(vm->L, r->flags >> PERI_REQUEST_TYPES_SHIFT);
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
    return r->conn->native ? 0 : infer_classes(co, count, r, event, c, err);
  }
  int code =
      peri_callbacks_offer(r->link, co, first, count, event->stream, is_native(r), &c->names, err);
  event->callback = (peri_bytes){c->names.data, c->names.len};
  return code;
}

static int not_sent(peri_err *err, int code) {
  return peri_fail(err, code, "the request could not be sent: %s", peri_code_text(code));
}

static int write_message(peri_vm *vm, lua_State *co, int count, const peri_asked *r,
                         const peri_event *event, peri_err *err) {
  peri_mark mark;
  int code = r->conn->protocol->begin(r->conn, event, &mark);
  if (code != 0) {
    return peri_fail(err, code, "the request could not be begun: %s", peri_code_text(code));
  }
  code = peri_value_encode_args(co, PERI_REQUEST_FIXED + 1, count, r->serializer,
                                &vm->conn_limits.value, peri_conn_out(r->conn), err);
  if (code != 0) {
    r->conn->protocol->abort(r->conn, &mark);
    return code;
  }
  code = r->conn->protocol->end(r->conn, event, &mark);
  return code == 0 ? 0 : not_sent(err, code);
}

static void name_callee(peri_event *event, const peri_asked *r) {
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

static peri_event event_of(const peri_asked *r, uint64_t stream, uint32_t timeout_ms) {
  peri_event event = {
      .type = PERI_EV_OPEN,
      .flags =
          (uint8_t)(PERI_EV_END | ((r->flags & PERI_REQUEST_ONEWAY) != 0 ? PERI_EV_ONEWAY : 0) |
                    ((r->flags & PERI_REQUEST_GENERIC) != 0 ? PERI_EV_GENERIC : 0)),
      .serializer = r->serializer->id,
      .timeout_ms = timeout_ms,
      .stream = stream,
      .method = r->method,
  };
  name_callee(&event, r);
  return event;
}

static int encode_attachments(peri_vm *vm, lua_State *co, peri_event *event, peri_buf *out,
                              peri_err *err) {
  int count = count_attachments(co);
  if (count <= 0) {
    return count == 0 ? 0
                      : peri_fail(err, PERI_EBAD_REQUEST, "the names of attachments are strings");
  }
  int code =
      peri_value_encode(co, PERI_REQUEST_ATTACHMENTS, peri_serializer_by_id(PERI_SER_MSGPACK),
                        &vm->conn_limits.value, out, err);
  event->attachments = (peri_bytes){out->data, out->len};
  event->attachments_ser = PERI_SER_MSGPACK;
  return code;
}

static int write_event(peri_vm *vm, lua_State *co, const peri_asked *r, peri_event *event,
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
  int code = encode_attachments(vm, co, event, &attachments, err);
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

// Is the one string that was seen all there is to be sent, as it is?
static bool is_bytes(const peri_asked *r) {
  return r->body.ptr != NULL && r->serializer->id == PERI_SER_RAW && r->serializer->lua_ref == 0 &&
         r->session->native && (r->flags & (PERI_REQUEST_ONEWAY | PERI_REQUEST_GENERIC)) == 0 &&
         (r->session->compression == NULL || r->body.len < PERI_COMPRESS_MIN);
}

static int write_bytes(const peri_asked *r, uint64_t stream, uint32_t timeout_ms, peri_err *err) {
  peri_request request = {
      .stream = stream,
      .session = r->session,
      .method = r->method,
      .body = r->body,
      .timeout_ms = timeout_ms,
      .serializer = r->serializer->id,
  };
  int code = r->conn->protocol->request(r->conn, &request);
  return code == 0 ? 0 : not_sent(err, code);
}

int peri_request_write(peri_vm *vm, lua_State *co, const peri_asked *r, uint64_t stream,
                       uint32_t timeout_ms, peri_err *err) {
  if (is_bytes(r) && r->conn->protocol->request != NULL) {
    return write_bytes(r, stream, timeout_ms, err);
  }
  peri_event event = event_of(r, stream, timeout_ms);
  return write_event(vm, co, r, &event, err);
}
