// SPDX-License-Identifier: MIT
#include "lua/serve.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/hot.h"
#include "base/limit.h"
#include "base/log.h"
#include "entry/executor.h"
#include "lua/callback.h"
#include "lua/error_value.h"
#include "lua/raw.h"
#include "lua/ref.h"
#include "lua/serve_generic.h"
#include "lua/sessions.h"
#include "lua/value.h"

// Calls of a method that start no trace, see lua/perilune/entry/hotness.lua.
enum { COLD_CALLS = 16 };

static const peri_value_limits *value_limits(const peri_vm *vm) {
  return &vm->conn_limits.value;
}

static void fail_text(peri_vm *vm, peri_call *call, int code, const char *text, bool not_run) {
  peri_call_fail(&vm->server, call, code, peri_bytes_of(text), not_run);
}

// Replaces a compressed body by its plain form in a block of its own.
static PERI_COLD int inflate(peri_vm *vm, peri_call *call) {
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
  const peri_serializer *serializer = peri_serve_serializer(call);
  if (serializer == NULL) {
    return peri_fail(err, PERI_EBAD_REQUEST, "serialization %d is not known here",
                     call->serializer);
  }
  int arity = call->method->arity;
  int base = lua_gettop(co) + 1;
  lua_pushnil(co);  // becomes the count
  peri_value_limits limits = peri_serve_limits(vm, call);
  int count = peri_value_decode_args(co, serializer, call->body, &limits,
                                     call->method->exporter->int64, err);
  if (count < 0) {
    lua_settop(co, base - 1);
    return count;
  }
  if (__builtin_expect(call->generic, 0)) {
    count = peri_generic_spread(call, co, base + 1, count, err);
    if (count < 0) {
      lua_settop(co, base - 1);
      return count;
    }
  }
  if (__builtin_expect(call->callback != NULL, 0)) {
    int code = peri_callbacks_adopt(vm, call, co, base + 1, count, err);
    if (code != 0) {
      lua_settop(co, base - 1);
      return code;
    }
  }
  if (peri_raw_usable()) {
    peri_raw_set_number(co, base, count);
  } else {
    lua_pushinteger(co, count);
    lua_replace(co, base);
  }
  if (arity >= 0) {
    if (count > arity) {
      lua_settop(co, base + arity);
    }
    return 1 + (count < arity ? count : arity);
  }
  lua_createtable(co, count, 1);
  lua_insert(co, base + 1);
  for (int i = count; i > 0; i--) {
    lua_rawseti(co, base + 1, i);
  }
  return 2;
}

// Pushes the chain and the call's id, which both take.
static PERI_INLINE void push_task(const peri_vm *vm, const peri_call *call, lua_State *co) {
  double slot = (uint32_t)call->id;
  double generation = (uint32_t)(call->id >> 32);
  if (peri_raw_usable()) {
    peri_raw_push_ref(co, vm->registry, call->method->chain);
    peri_raw_push(co, (peri_raw){.number = slot});
    peri_raw_push(co, (peri_raw){.number = generation});
  } else {
    peri_ref_push(co, call->method->chain);
    lua_pushnumber(co, slot);
    lua_pushnumber(co, generation);
  }
}

// Puts the chain and its arguments on the fiber's stack. Returns their count or PERI_E*.
static PERI_INLINE int prepare(peri_vm *vm, peri_call *call, lua_State *co, peri_err *err) {
  if (call->compression != PERI_COMP_NONE) {
    int code = inflate(vm, call);
    if (code != 0) {
      const char *text = code == PERI_ETOO_BIG ? "over frame_size" : peri_code_text(code);
      return peri_fail(err, code, "the body could not be decompressed: %s", text);
    }
  }
  push_task(vm, call, co);
  if (call->method->body || call->serializer == PERI_SER_RAW) {
    return 2;
  }
  int pushed = push_args(vm, call, co, err);
  if (pushed < 0) {
    lua_settop(co, 0);
    return pushed;
  }
  return 2 + pushed;
}

// The arguments cannot be handed over. What is merely wrong gets an answer; who sends a bomb gets
// that and no further word.
static PERI_COLD void refuse(peri_vm *vm, peri_call *call, int code, const char *why) {
  peri_conn *conn = call->conn;
  fail_text(vm, call, code, why, code == PERI_EOVERLOADED);
  if (code == PERI_ETOO_BIG && conn != NULL && !conn->closing) {
    peri_conn_complain(conn, code, "CALL-TOO-BIG", "%s", why);
    peri_conn_finish(conn);
  }
}

static PERI_COLD void refuse_fiber(peri_vm *vm, peri_call *call) {
  char text[96];
  snprintf(text, sizeof text, "too many coroutines in this worker (coroutines = %u)",
           vm->fibers.slots.limit);
  fail_text(vm, call, PERI_EOVERLOADED, text, true);
}

// The first calls of a method, before its chain is compiled.
static PERI_COLD void warm(peri_vm *vm, const peri_method *method) {
  lua_State *L = vm->L;
  if (vm->on_cold == LUA_NOREF) {
    return;
  }
  peri_ref_push(L, vm->on_cold);
  peri_ref_push(L, method->chain);
  lua_pushboolean(L, method->calls - method->since == COLD_CALLS);
  if (lua_pcall(L, 2, 0, 0) != 0) {
    lua_pop(L, 1);  // no memory: the call itself will tell
  }
}

static void hand(peri_vm *vm, peri_call *call) {
  peri_err err;
  peri_lent *lent = NULL;
  int code =
      call->callback != NULL && call->conn != NULL ? peri_callbacks_lend(vm, call, &lent, &err) : 0;
  if (code != 0) {
    refuse(vm, call, code, err.text);
  } else {
    peri_job_hand(&vm->server, call, lent);
  }
}

bool peri_serve_next(peri_vm *vm) {
  peri_err err;
  peri_call *call = peri_server_next(&vm->server);
  if (call == NULL) {
    return false;
  }
  if (__builtin_expect(call->method->pooled, 0)) {
    hand(vm, call);
    return true;
  }
  peri_fiber *fiber = peri_fiber_take(vm);
  if (fiber == NULL) {
    refuse_fiber(vm, call);
    return true;
  }
  if (call->method->calls - call->method->since <= COLD_CALLS) {
    warm(vm, call->method);
  }
  fiber->call = call;
  fiber->serves = true;
  fiber->deadline_ns = call->deadline_ns;
  uint32_t generation = call->method->generation;
  peri_fiber_belong(&vm->fibers, fiber, generation);
  peri_list_push(&call->fibers, &fiber->of_call);
  int nargs = prepare(vm, call, fiber->co, &err);
  if (nargs < 0) {
    peri_list_remove(&fiber->of_call);  // its list ends with the call
    refuse(vm, call, nargs, err.text);
    fiber->serves = false;
    peri_fiber_discard(vm, fiber);
    return true;
  }
  vm->fibers.held[generation & 1].calls += generation != 0;
  atomic_store_explicit(&vm->current, call->method, memory_order_release);
  peri_fiber_resume(vm, fiber, nargs);
  return true;
}

static void reply_value(peri_vm *vm, peri_call *call, lua_State *co) {
  peri_mark mark;
  peri_err err;
  const peri_serializer *serializer = peri_serve_serializer(call);
  peri_buf *out = peri_call_reply_begin(&vm->server, call, serializer, &mark);
  if (out == NULL) {
    peri_call_reply_null(&vm->server, call);
    return;
  }
  int code = peri_value_encode(co, 2, serializer, value_limits(vm), out, &err);
  if (code == 0) {
    peri_call_reply_end(&vm->server, call, &mark);
    return;
  }
  peri_call_reply_undo(&vm->server, call, &mark);
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
  int code = (int)lua_tointeger(co, 1);
  const char *text = lua_tolstring(co, 2, &len);
  peri_buf value = {0};
  if (!lua_isnoneornil(co, 4)) {
    peri_error_encode(vm, call, co, &value);
  }
  peri_call_throw(&vm->server, call, code != 0 ? code : PERI_EUNKNOWN,
                  (peri_bytes){(const uint8_t *)text, len}, lua_toboolean(co, 3) != 0,
                  (peri_bytes){value.data, value.len});
  peri_buf_fini(&value);
}

// The call is about to be released: other fibers that worked for it lose their tie.
static PERI_INLINE void untie(peri_call *call) {
  peri_list *node;
  while ((node = peri_list_pop(&call->fibers)) != NULL) {
    peri_container(node, peri_fiber, of_call)->call = NULL;
  }
}

static PERI_INLINE peri_call *ending(peri_vm *vm, peri_fiber *fiber) {
  peri_call *call = fiber->call;
  peri_check(call != NULL);
  atomic_store_explicit(&vm->current, NULL, memory_order_relaxed);
  fiber->serves = false;
  vm->fibers.held[fiber->generation & 1].calls -= fiber->generation != 0;
  untie(call);
  return call;
}

static PERI_INLINE size_t count_of(lua_State *co) {
  return peri_raw_usable() ? peri_raw_count(co) : (size_t)lua_gettop(co);
}

void peri_serve_done(peri_vm *vm, peri_fiber *fiber) {
  lua_State *co = fiber->co;
  peri_call *call = ending(vm, fiber);
  if (count_of(co) == 1) {  // `true`: only that comes alone
    peri_call_reply_body(&vm->server, call, call);
    return;
  }
  switch (lua_type(co, 1)) {
  case LUA_TBOOLEAN:
    if (lua_toboolean(co, 1)) {
      reply_body(vm, call, co);
    } else {
      reply_value(vm, call, co);
    }
    break;
  case LUA_TNUMBER: reply_error(vm, call, co); break;
  default: peri_call_reply_null(&vm->server, call);
  }
}

void peri_serve_crashed(peri_vm *vm, peri_fiber *fiber) {
  fail_text(vm, ending(vm, fiber), PERI_EINTERNAL, "internal error", false);
}

// --- connection handler ------------------------------------------------------------------------

static void cancel_fibers(peri_vm *vm, peri_call *call, int code) {
  for (peri_list *n = call->fibers.next; n != &call->fibers;) {
    peri_fiber *fiber = peri_container(n, peri_fiber, of_call);
    n = n->next;
    peri_fiber_cancel(vm, fiber, code);
  }
}

static void cancel_call(void *arg, peri_call *call) {
  peri_vm *vm = arg;
  if (call->state == PERI_CALL_HANDED) {
    peri_job_cancel(&vm->server, call, PERI_ECANCELLED);
  } else {
    cancel_fibers(vm, call, PERI_ECANCELLED);
  }
}

void peri_serve_cancel_job(void *arg, peri_call *call, int code) {
  peri_vm *vm = arg;
  call->oneway = true;
  if (call->state == PERI_CALL_RUNNING) {
    cancel_fibers(vm, call, code);
  } else {
    call->deadline_ns = vm->loop->now_ns;
  }
}

static void cancel(peri_vm *vm, peri_call *call) {
  call->oneway = true;  // nobody waits for the answer any more
  if (call->state != PERI_CALL_QUEUED) {
    cancel_call(vm, call);
  } else {
    call->deadline_ns = vm->loop->now_ns;  // dropped when its turn comes
  }
}

void peri_serve_cancel(peri_vm *vm, peri_conn *conn, uint64_t stream) {
  peri_call *call = peri_server_find(conn, stream);
  if (call != NULL) {
    cancel(vm, call);
  }
}

void peri_serve_cancel_local(peri_vm *vm, peri_id id) {
  peri_call *call = peri_server_call(&vm->server, id);
  if (call != NULL) {
    cancel(vm, call);
  }
}

void peri_serve_forget(peri_vm *vm, peri_conn *conn) {
  peri_server_forget(&vm->server, conn, cancel_call, vm);
}

static void on_event(void *arg, peri_conn *conn, const peri_event *event) {
  peri_vm *vm = arg;
  if (event->type == PERI_EV_OPEN) {
    peri_server_open(&vm->server, conn, event);
  } else if (event->type == PERI_EV_CANCEL) {
    peri_serve_cancel(vm, conn, event->stream);
  }
}

static void on_request(void *arg, peri_conn *conn, const peri_request *request) {
  peri_vm *vm = arg;
  peri_server_request(&vm->server, conn, request);
}

static void on_session(void *arg, peri_conn *conn, peri_session *session) {
  peri_sessions_tell(arg, conn, session, true);
}

// Consumers of JoyRPC raise the weight of a provider during its first 60 s, but leave it at 0 when
// it is older than that at their first sight (their warm-up is inverted). One of 59 s is raised to
// its weight at once.
static uint64_t on_started(void *arg, const peri_session *session) {
  enum { RAMPED_AGE = 59000 };
  const peri_vm *vm = arg;
  const peri_exporter *exporter = peri_exporter_find(
      &vm->server.exporters, peri_bytes_of(session->iface), peri_bytes_of(session->alias));
  return exporter != NULL && exporter->ramped ? peri_env->walltime() - RAMPED_AGE
                                              : peri_started_ms();
}

static void on_mark_sessions(void *arg, peri_conn *conn) {
  (void)arg;
  peri_server_mark_sessions(conn);
}

static void on_session_ended(void *arg, peri_conn *conn, peri_session *session) {
  peri_sessions_tell(arg, conn, session, false);
}

static void on_closed(void *arg, peri_conn *conn, int code) {
  peri_vm *vm = arg;
  (void)code;
  peri_accepted *accepted = conn->user;
  for (peri_list *n = conn->sessions.next; n != &conn->sessions; n = n->next) {
    const peri_session *session = peri_container(n, peri_session, link);
    if (!session->evicted) {
      peri_sessions_tell(vm, conn, session, false);
    }
  }
  peri_serve_forget(vm, conn);
  peri_callbacks_gone(accepted);
  peri_list_remove(&accepted->link);
  if (accepted->gone != NULL) {
    accepted->gone(accepted->gone_arg);
  }
  peri_slots_release(&vm->accepted_slots, accepted->id);
  atomic_fetch_sub_explicit(&vm->connections, 1, memory_order_relaxed);
}

const peri_conn_handler peri_serve_handler = {
    .event = on_event,
    .request = on_request,
    .session = on_session,
    .mark_sessions = on_mark_sessions,
    .session_ended = on_session_ended,
    .started = on_started,
    .authenticate = peri_serve_authenticate,
    .closed = on_closed,
};
