// SPDX-License-Identifier: MIT
#include "lua/request.h"

#include <stdlib.h>

#include "base/hot.h"
#include "lua/far.h"
#include "lua/local.h"
#include "lua/request_parts.h"
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

// A result that is pushed as it came.
static PERI_INLINE bool is_bytes(const peri_vm *vm, const peri_fiber *fiber,
                                 const peri_future *future) {
  return future->code == 0 && future->serializer == PERI_SER_RAW &&
         future->compression == PERI_COMP_NONE && future->attachments.len == 0 &&
         future->body.len - 1 < vm->conn_limits.value.string &&
         (fiber->reads->id != PERI_SER_RAW || fiber->reads->lua_ref == 0);
}

static int push_answer(peri_vm *vm, peri_fiber *fiber, const peri_future *future, lua_State *co) {
  peri_err err;
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
  return count;
}

static int push_reply(peri_vm *vm, peri_fiber *fiber, lua_State *co) {
  peri_future *future = peri_future_get(&vm->futures, fiber->future);
  int count = 2;
  if (__builtin_expect(is_bytes(vm, fiber, future), 1)) {
    lua_pushboolean(co, 1);  // the stack is empty since the wait began
    lua_pushlstring(co, (const char *)future->body.ptr, future->body.len);
  } else {
    count = push_answer(vm, fiber, future, co);
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

void peri_request_sent(peri_vm *vm, peri_fiber *fiber, int code, const peri_err *err) {
  if (code != 0) {
    peri_wait_fail(vm, fiber, code, err->text, "NOT_SENT");
    return;
  }
  lua_settop(fiber->co, 0);
  lua_pushboolean(fiber->co, 1);
  fiber->wait = PERI_WAIT_PARK;  // gives that in the next turn
  peri_fiber_wake(vm, fiber, 0);
}

// `why`: of peri_request_read.
static PERI_COLD void not_read(peri_vm *vm, peri_fiber *fiber, const peri_asked *asked,
                               const char *why) {
  if (why == peri_request_local) {
    peri_local_begin(vm, fiber, request_done);
  } else if (why == peri_request_far) {
    peri_far_begin(vm, fiber, asked->callback, request_done);
  } else {
    peri_wait_fail(vm, fiber, PERI_ECLOSED, why, "NOT_SENT");
  }
}

// A pending future for what is asked, or NULL after the fiber was told why not.
static peri_future *new_future(peri_vm *vm, peri_fiber *fiber, const peri_asked *asked,
                               double left) {
  if (left <= 0) {
    peri_wait_fail(vm, fiber, PERI_ETIMEOUT, "the deadline passed before the call was sent",
                   "NOT_SENT");
    return NULL;
  }
  peri_future *future = peri_future_new(&vm->futures, request_done, fiber);
  if (future == NULL) {
    peri_wait_fail(vm, fiber, PERI_EOVERLOADED,
                   "too many calls of this worker wait for an answer (limit futures)", "NOT_SENT");
    return NULL;
  }
  future->conn = asked->conn;
  future->stream = peri_conn_expect(asked->conn, future);
  return future;
}

// Parks the fiber on a request that is on its way.
static void await(peri_vm *vm, peri_fiber *fiber, peri_future *future, const peri_asked *asked,
                  double left) {
  fiber->int64 = asked->flags >> PERI_REQUEST_INT64_SHIFT & 3;
  fiber->exact = asked->flags >> PERI_REQUEST_TYPES_SHIFT != 0;
  fiber->reads = asked->serializer;
  future->user = asked->counters;
  future->began_ns = vm->loop->now_ns;
  if (future->user != NULL) {
    peri_counters_begin_at(future->user);
  }
  lua_settop(fiber->co, 0);
  fiber->future = future->id;
  fiber->begun = true;
  peri_future_arm(&vm->futures, future, (uint64_t)left);
}

static void begin_request(peri_vm *vm, peri_fiber *fiber) {
  peri_asked asked;
  peri_err err;
  const char *why = peri_request_read(vm, fiber->co, &asked);
  if (__builtin_expect(why != NULL, 0)) {
    not_read(vm, fiber, &asked, why);
    return;
  }
  double left = peri_fiber_left(vm, fiber, asked.timeout);
  peri_future *future = new_future(vm, fiber, &asked, left);
  if (future == NULL) {
    return;
  }
  uint32_t timeout_ms = (uint32_t)(left < 1 ? 1 : left);
  int code = peri_request_write(vm, fiber->co, &asked, future->stream, timeout_ms, &err);
  if (__builtin_expect(code == 0 && (asked.flags & PERI_REQUEST_ONEWAY) == 0, 1)) {
    await(vm, fiber, future, &asked, left);
    return;
  }
  peri_conn_forget(asked.conn, future->stream, false);
  peri_future_release(&vm->futures, future);
  peri_request_sent(vm, fiber, code, &err);
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

void peri_request_catch_up(peri_vm *vm, const peri_fiber *fiber, uint64_t was_ms) {
  if (!fiber->begun || fiber->wait != PERI_WAIT_REQUEST) {
    return;
  }
  peri_future *future = peri_future_get(&vm->futures, fiber->future);
  if (future != NULL && future->state == PERI_FUTURE_PENDING) {
    double left = peri_fiber_left(vm, fiber, (double)(future->deadline.due - was_ms));
    peri_future_arm(&vm->futures, future, (uint64_t)left);
  }
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
