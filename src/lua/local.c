// SPDX-License-Identifier: MIT
#include "lua/local.h"

#include "lua/connect.h"
#include "lua/serve.h"
#include "lua/value.h"

// What a local call carries: arguments, then attachments, in one block.
typedef struct parcel {
  const peri_serializer *serializer;
  peri_block *block;  // owned
  peri_bytes body, attachments;
} parcel;

static int encode_args(peri_vm *vm, lua_State *co, const peri_serializer *serializer, peri_buf *out,
                       peri_err *err) {
  int count = peri_request_spread(co);
  if (count < 0 || count > PERI_ARGS_MAX) {
    return peri_fail(err, PERI_ETOO_BIG, "a call has at most %d arguments", PERI_ARGS_MAX);
  }
  return peri_value_encode_args(co, PERI_REQUEST_FIXED + 1, count, serializer,
                                &vm->conn_limits.value, out, err);
}

static int pack(peri_vm *vm, lua_State *co, parcel *p, peri_err *err) {
  peri_buf out = {0};
  int code = encode_args(vm, co, p->serializer, &out, err);
  size_t body = out.len;
  if (code == 0 && lua_istable(co, PERI_REQUEST_ATTACHMENTS)) {
    code = peri_value_encode(co, PERI_REQUEST_ATTACHMENTS, peri_serializer_by_id(PERI_SER_MSGPACK),
                             &vm->conn_limits.value, &out, err);
  }
  if (code == 0) {
    p->block = peri_block_copy((peri_bytes){out.data, out.len});
    code = p->block != NULL ? 0 : peri_fail(err, PERI_ENO_MEMORY, "no memory for the arguments");
  }
  if (code == 0) {
    p->body = (peri_bytes){p->block->data, body};
    p->attachments = (peri_bytes){p->block->data + body, out.len - body};
  }
  peri_buf_fini(&out);
  return code;
}

// The method, or NULL with the reason.
static peri_method *method_of(peri_vm *vm, lua_State *co, peri_err *err) {
  size_t len = 0;
  const char *name = lua_tolstring(co, PERI_REQUEST_METHOD, &len);
  peri_exporter *exporter =
      peri_exporter_get(&vm->server.exporters, (uint32_t)lua_tonumber(co, PERI_REQUEST_SESSION));
  if (exporter == NULL) {
    peri_fail(err, PERI_ENO_SERVICE, "no such service is exported here");
    return NULL;
  }
  peri_method *method = peri_method_find(exporter, (peri_bytes){(const uint8_t *)name, len});
  if (method == NULL) {
    peri_fail(err, PERI_ENO_METHOD, "the service has no such method: %s.%.80s", exporter->iface,
              name);
  }
  return method;
}

static int open_call(peri_vm *vm, lua_State *co, const parcel *p, double left, peri_future *future,
                     peri_err *err) {
  lua_Integer flags = lua_tointeger(co, PERI_REQUEST_FLAGS);
  bool oneway = (flags & PERI_REQUEST_ONEWAY) != 0;
  peri_event event = {
      .type = PERI_EV_OPEN,
      .flags = (uint8_t)(PERI_EV_END | (oneway ? PERI_EV_ONEWAY : 0) |
                         ((flags & PERI_REQUEST_GENERIC) != 0 ? PERI_EV_GENERIC : 0)),
      .serializer = p->serializer->id,
      .timeout_ms = (uint32_t)(left < 1 ? 1 : left),
      .stream = oneway ? 0 : future->id,
      .attachments = p->attachments,
      .attachments_ser = PERI_SER_MSGPACK,
      .body = p->body,
      .block = p->block,
  };
  peri_id id = 0;
  peri_method *method = method_of(vm, co, err);
  int code =
      method == NULL ? err->code : peri_server_open_local(&vm->server, method, &event, &id, err);
  future->stream = id;
  return code;
}

static int begin(peri_vm *vm, peri_fiber *fiber, peri_future *future, double left, peri_err *err) {
  lua_State *co = fiber->co;
  const char *name = lua_tostring(co, PERI_REQUEST_COUNTERS);
  parcel p = {.serializer = peri_serializer_by_name(name != NULL ? name : "msgpack")};
  if (p.serializer == NULL) {
    return peri_fail(err, PERI_ECONFIG, "serialization '%s' is unknown", name);
  }
  fiber->int64 = (uint32_t)lua_tointeger(co, PERI_REQUEST_FLAGS) >> PERI_REQUEST_INT64_SHIFT & 3;
  fiber->exact = false;
  fiber->reads = p.serializer;
  int code = pack(vm, co, &p, err);
  code = code == 0 ? open_call(vm, co, &p, left, future, err) : code;
  peri_block_unref(p.block);
  return code;
}

void peri_local_begin(peri_vm *vm, peri_fiber *fiber, void (*done)(peri_future *future)) {
  lua_State *co = fiber->co;
  peri_err err;
  double left = peri_fiber_left(vm, fiber, lua_tonumber(co, PERI_REQUEST_TIMEOUT));
  if (left <= 0) {
    peri_wait_fail(vm, fiber, PERI_ETIMEOUT, "the deadline passed before the call began",
                   "NOT_SENT");
    return;
  }
  peri_future *future = peri_future_new(&vm->futures, done, fiber);
  if (future == NULL) {
    peri_wait_fail(vm, fiber, PERI_EOVERLOADED,
                   "too many calls of this worker wait for an answer (limit futures)", "NOT_SENT");
    return;
  }
  int code = begin(vm, fiber, future, left, &err);
  bool oneway = (lua_tointeger(co, PERI_REQUEST_FLAGS) & PERI_REQUEST_ONEWAY) != 0;
  if (code != 0 || oneway) {
    peri_future_release(&vm->futures, future);
    peri_request_sent(vm, fiber, code, &err);
    return;
  }
  lua_settop(co, 0);
  fiber->future = future->id;
  fiber->begun = true;
  peri_future_arm(&vm->futures, future, (uint64_t)left);
}
