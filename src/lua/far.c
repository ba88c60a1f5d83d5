// SPDX-License-Identifier: MIT
#include "lua/far.h"

#include <stdlib.h>

#include "base/mem.h"
#include "lua/argument_types.h"
#include "lua/connect.h"
#include "lua/value.h"

void peri_far_unref(peri_far *far) {
  if (--far->refs == 0) {
    free(far);
  }
}

// --- references --------------------------------------------------------------------------------

typedef struct returned {
  peri_message message;
  peri_far *far;
} returned;

static void take_back(peri_message *message, peri_loop *loop) {
  returned *it = peri_container(message, returned, message);
  peri_vm *vm = loop->user;  // NULL once it is over
  if (vm != NULL) {
    peri_callback_drop(vm, it->far->callback);
  }
  peri_far_unref(it->far);
  free(it);
}

void peri_far_give_back(peri_far *far) {
  returned *it = peri_calloc(1, sizeof *it);
  *it = (returned){{.run = take_back}, far};
  peri_loop_post(far->home, &it->message);
}

static void give_back(peri_lent *lent) {
  peri_far_lent *it = (peri_far_lent *)(void *)lent;
  for (uint32_t i = it->taken; i < it->count; i++) {
    peri_far_give_back(it->far[i]);
  }
  free(it->lent.names);
  free(it);
}

static peri_far *far_of(peri_vm *vm, peri_callback *callback) {
  if (callback->far == NULL) {
    callback->far = peri_calloc(1, sizeof *callback->far);
    *callback->far = (peri_far){
        .home = vm->loop,
        .callback = callback->id,
        .refs = 1,
        .native = callback->conn->native,
        .function_class = callback->conn->protocol->function_class,
    };
  }
  return callback->far;
}

peri_lent *peri_far_lend(peri_vm *vm, const char *names, peri_callback **callbacks,
                         uint32_t count) {
  peri_far_lent *it = peri_calloc(1, sizeof *it + count * sizeof it->far[0]);
  it->lent = (peri_lent){give_back, peri_strdup(names)};
  it->serializer = callbacks[0]->serializer;
  it->count = count;
  for (uint32_t i = 0; i < count; i++) {
    it->far[i] = far_of(vm, callbacks[i]);
    it->far[i]->refs++;
  }
  return &it->lent;
}

// --- a call of one -----------------------------------------------------------------------------

// Travels to the home and back. On the way back `bytes` hold the answer.
typedef struct errand {
  peri_message message;
  peri_far *far;  // held by the object whose reference comes home later
  peri_loop *from;
  uint32_t vm;  // the one of `from` that asks; an executor that was started again has another one
  peri_id future;      // of it, 0 = nobody waits
  peri_futures *home;  // while it waits there
  char *method;        // owned
  peri_buf bytes;
  size_t body, attachments, args_type, text;  // their lengths, in this order
  uint32_t timeout_ms;
  int code;
  bool not_run;
  uint8_t serializer, compression;
} errand;

static void errand_free(errand *it) {
  peri_buf_fini(&it->bytes);
  free(it->method);
  free(it);
}

static peri_bytes part(const uint8_t *data, size_t from, size_t len) {
  return (peri_bytes){len != 0 ? data + from : NULL, len};
}

static void set_answer(peri_future *future, const errand *it, peri_block *block) {
  future->block = block;
  future->serializer = it->serializer;
  future->compression = it->compression;
  future->flags |= it->not_run ? PERI_FUTURE_NOT_RUN : 0;
  if (block != NULL) {
    future->body = part(block->data, 0, it->body);
    future->attachments = part(block->data, it->body, it->attachments);
    future->message = part(block->data, it->body + it->attachments, it->text);
  }
}

static void at_executor(peri_message *message, peri_loop *loop) {
  errand *it = peri_container(message, errand, message);
  peri_vm *vm = loop->user;
  if (vm != NULL && vm->number == it->vm && it->future != 0) {
    peri_future *future = peri_future_answer(&vm->futures, it->future);
    if (future != NULL) {
      set_answer(future, it, peri_block_copy((peri_bytes){it->bytes.data, it->bytes.len}));
    }
    peri_future_complete(&vm->futures, it->future, it->code);
  }
  errand_free(it);
}

static void go_back(errand *it) {
  it->message.run = at_executor;
  peri_loop_post(it->from, &it->message);
}

// The call was not even sent.
static void go_back_with(errand *it, int code, const char *text) {
  it->code = code;
  it->not_run = true;
  it->body = it->attachments = 0;
  it->text = strlen(text);
  it->bytes.len = 0;
  peri_buf_add(&it->bytes, text, it->text);
  go_back(it);
}

static void answered(peri_future *future) {
  errand *it = future->owner;
  peri_conn *conn = future->conn;
  if ((future->code == PERI_ETIMEOUT || future->code == PERI_ECANCELLED) && conn->channel != NULL) {
    peri_conn_forget(conn, future->stream, true);
  }
  it->code = future->code;
  it->not_run = (future->flags & PERI_FUTURE_NOT_RUN) != 0;
  it->serializer = future->serializer;
  it->compression = future->compression;
  it->body = future->body.len;
  it->attachments = future->attachments.len;
  it->text = future->message.len;
  it->bytes.len = 0;
  peri_buf_add(&it->bytes, future->body.ptr, it->body);
  peri_buf_add(&it->bytes, future->attachments.ptr, it->attachments);
  peri_buf_add(&it->bytes, future->message.ptr, it->text);
  peri_future_release(it->home, future);
  go_back(it);
}

static void send_call(peri_vm *vm, errand *it, const peri_callback *callback) {
  peri_conn *conn = callback->conn;
  peri_future *future = peri_future_new(&vm->futures, answered, it);
  if (future == NULL) {
    go_back_with(it, PERI_EOVERLOADED, "too many calls of this worker wait for an answer");
    return;
  }
  const uint8_t *data = it->bytes.data;
  bool oneway = it->future == 0;
  peri_event event = {
      .type = PERI_EV_OPEN,
      .flags = (uint8_t)(PERI_EV_END | PERI_EV_CALLBACK | (oneway ? PERI_EV_ONEWAY : 0)),
      .serializer = it->serializer,
      .timeout_ms = it->timeout_ms,
      .method = peri_bytes_of(it->method),
      .callback = peri_bytes_of(callback->name),
      .body = part(data, 0, it->body),
      .attachments = part(data, it->body, it->attachments),
      .attachments_ser = PERI_SER_MSGPACK,
      .args_type = part(data, it->body + it->attachments, it->args_type),
  };
  it->home = &vm->futures;
  future->conn = conn;
  future->stream = event.stream = peri_conn_expect(conn, future);
  int code = conn->protocol->emit(conn, &event);
  if (code == 0 && !oneway) {
    peri_future_arm(&vm->futures, future, it->timeout_ms);
    return;
  }
  peri_conn_forget(conn, event.stream, false);
  peri_future_release(&vm->futures, future);
  go_back_with(it, code, "the request could not be sent");
}

static void at_home(peri_message *message, peri_loop *loop) {
  errand *it = peri_container(message, errand, message);
  peri_vm *vm = loop->user;
  const peri_callback *callback =
      vm != NULL ? peri_slots_get(&vm->callbacks, it->far->callback) : NULL;
  if (callback == NULL || callback->conn == NULL || callback->conn->channel == NULL) {
    go_back_with(it, PERI_ECLOSED, "the connection of the callback's owner is closed");
  } else if (peri_channel_is_full(callback->conn->channel)) {
    go_back_with(it, PERI_ECLOSED, "the connection's output is above high water");
  } else {
    send_call(vm, it, callback);
  }
}

static int add_types(peri_vm *vm, lua_State *co, int count, errand *it, peri_err *err) {
  uint32_t number = (uint32_t)lua_tointeger(co, PERI_REQUEST_FLAGS) >> PERI_REQUEST_TYPES_SHIFT;
  peri_bytes declared = peri_argument_types(vm->L, number);
  if (declared.len == 0) {
    return peri_argument_classes(co, PERI_REQUEST_FIXED + 1, count, it->far->function_class,
                                 &it->bytes, err);
  }
  peri_buf_add(&it->bytes, declared.ptr, declared.len);
  return 0;
}

static int pack(peri_vm *vm, lua_State *co, errand *it, peri_err *err) {
  const peri_serializer *serializer = peri_serializer_by_id(it->serializer);
  int count = peri_request_spread(co);
  if (count < 0 || count > PERI_ARGS_MAX) {
    return peri_fail(err, PERI_ETOO_BIG, "a call has at most %d arguments", PERI_ARGS_MAX);
  }
  int code = peri_value_encode_args(co, PERI_REQUEST_FIXED + 1, count, serializer,
                                    &vm->conn_limits.value, &it->bytes, err);
  it->body = it->bytes.len;
  if (code == 0 && lua_istable(co, PERI_REQUEST_ATTACHMENTS)) {
    code = peri_value_encode(co, PERI_REQUEST_ATTACHMENTS, peri_serializer_by_id(PERI_SER_MSGPACK),
                             &vm->conn_limits.value, &it->bytes, err);
  }
  it->attachments = it->bytes.len - it->body;
  if (code == 0 && !it->far->native) {
    code = add_types(vm, co, count, it, err);
    it->args_type = it->bytes.len - it->body - it->attachments;
  }
  return code;
}

static int post(peri_vm *vm, peri_fiber *fiber, const peri_callback *callback, double left,
                peri_id future, peri_err *err) {
  lua_State *co = fiber->co;
  errand *it = peri_calloc(1, sizeof *it);
  *it = (errand){.message = {.run = at_home},
                 .far = callback->far,
                 .from = vm->loop,
                 .vm = vm->number,
                 .future = future,
                 .method = peri_strdup(lua_tostring(co, PERI_REQUEST_METHOD)),
                 .timeout_ms = (uint32_t)(left < 1 ? 1 : left),
                 .serializer = callback->serializer};
  fiber->int64 = (uint32_t)lua_tointeger(co, PERI_REQUEST_FLAGS) >> PERI_REQUEST_INT64_SHIFT & 3;
  fiber->exact = false;
  fiber->reads = peri_serializer_by_id(callback->serializer);
  int code = pack(vm, co, it, err);
  if (code != 0) {
    errand_free(it);
    return code;
  }
  peri_loop_post(callback->far->home, &it->message);
  return 0;
}

void peri_far_begin(peri_vm *vm, peri_fiber *fiber, const peri_callback *callback,
                    void (*done)(peri_future *future)) {
  lua_State *co = fiber->co;
  peri_err err;
  bool oneway = (lua_tointeger(co, PERI_REQUEST_FLAGS) & PERI_REQUEST_ONEWAY) != 0;
  double left = peri_fiber_left(vm, fiber, lua_tonumber(co, PERI_REQUEST_TIMEOUT));
  if (left <= 0) {
    peri_wait_fail(vm, fiber, PERI_ETIMEOUT, "the deadline passed before the call was sent",
                   "NOT_SENT");
    return;
  }
  peri_future *future = peri_future_new(&vm->futures, done, fiber);
  if (future == NULL) {
    peri_wait_fail(vm, fiber, PERI_EOVERLOADED,
                   "too many calls of this worker wait for an answer (limit futures)", "NOT_SENT");
    return;
  }
  int code = post(vm, fiber, callback, left, oneway ? 0 : future->id, &err);
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
