// SPDX-License-Identifier: MIT
// The end of a call: its answer goes to the connection it came on, or to the future of a local one.
#include <stdlib.h>

#include "base/hot.h"
#include "base/log.h"
#include "base/mem.h"
#include "entry/executor.h"
#include "entry/server.h"
#include "protocol/serializer/utf8.h"

void peri_call_pin(peri_server *server, peri_call *call) {
  server->pinned -= call->pinned;
  call->pinned = (uint32_t)(call->body.len + call->attachments.len);
  server->pinned += call->pinned;
}

static PERI_COLD void drop_callbacks(peri_call *call) {
  if (call->conn != NULL && call->conn->server && !call->adopted) {
    peri_conn_release_callbacks(call->conn, peri_bytes_of(call->callback));
  }
  free(call->callback);
}

static PERI_INLINE void release(peri_server *server, peri_call *call) {
  // Those who work for a call keep a pointer to it.
  peri_check(call->state != PERI_CALL_RUNNING || peri_list_empty(&call->fibers));
  server->pinned -= call->pinned;
  if (call->state != PERI_CALL_QUEUED) {
    peri_method_leave(call->method);
  }
  if (call->conn != NULL) {
    peri_list_remove(&call->link);
    call->conn->calls_open--;
  }
  if (__builtin_expect(call->callback != NULL, 0)) {
    drop_callbacks(call);
  }
  peri_block_unref(call->block);
  if (call->reply_attachments.ptr != NULL) {
    free((void *)call->reply_attachments.ptr);
  }
  peri_slots_put(&server->calls, call->id);
}

void peri_call_release(peri_server *server, peri_call *call) {
  release(server, call);
}

static void move_bytes(peri_call *call, uint8_t *to, peri_block *block) {
  if (call->body.len != 0) {
    memcpy(to, call->body.ptr, call->body.len);
  }
  if (call->attachments.len != 0) {
    memcpy(to + call->body.len, call->attachments.ptr, call->attachments.len);
  }
  call->body.ptr = to;
  call->attachments.ptr = to + call->body.len;
  peri_block_unref(call->block);
  call->block = block;
}

void peri_call_park(peri_call *call) {
  enum { COPY_MAX = 16 * 1024 };
  size_t len = call->body.len + call->attachments.len;
  if (call->parked) {
    return;
  }
  call->parked = true;
  if (len <= sizeof call->small) {
    move_bytes(call, call->small, NULL);
  } else if (call->block != NULL && len <= COPY_MAX) {
    peri_block *own = peri_block_new((uint32_t)len);
    if (own != NULL) {
      move_bytes(call, own->data, own);
    }
  }
}

// As the session wishes.
static uint8_t reply_compression(const peri_call *call) {
  return call->session != NULL && call->session->compression != NULL
             ? call->session->compression->id
             : PERI_COMP_NONE;
}

static peri_event reply_event(const peri_call *call) {
  bool callback = call->callback != NULL && call->conn != NULL && !call->conn->server;
  return (peri_event){
      .type = PERI_EV_REPLY,
      .flags = (uint8_t)(PERI_EV_END | (callback ? PERI_EV_CALLBACK : 0)),
      .callback = callback ? peri_bytes_of(call->callback) : (peri_bytes){NULL, 0},
      .serializer = call->serializer,
      .compression = reply_compression(call),
      .stream = call->stream,
      .session = call->session,
      .attachments = call->reply_attachments,
      .attachments_ser = PERI_SER_MSGPACK,
      .result_type = call->method->returns != NULL ? peri_bytes_of(call->method->returns)
                                                   : (peri_bytes){NULL, 0},
  };
}

static bool wanted(const peri_call *call) {
  return !call->oneway &&
         ((call->conn != NULL && call->conn->channel != NULL) || call->local || call->hired);
}

static peri_bytes append(peri_block *block, peri_bytes bytes) {
  uint8_t *at = block->data + block->used;
  if (bytes.len != 0) {
    memcpy(at, bytes.ptr, bytes.len);
  }
  block->used += (uint32_t)bytes.len;
  return (peri_bytes){at, bytes.len};
}

// The answer of a local call goes straight to the future that waits for it.
static void answer_local(peri_server *server, const peri_call *call, const peri_event *event) {
  peri_future *future = peri_future_answer(server->futures, call->stream);
  if (future == NULL) {
    return;
  }
  size_t len = event->body.len + event->message.len + event->attachments.len;
  future->block = peri_block_new((uint32_t)len);
  if (future->block == NULL) {
    peri_future_complete(server->futures, call->stream, PERI_ENO_MEMORY);
    return;
  }
  future->body = append(future->block, event->body);
  future->message = append(future->block, event->message);
  future->attachments = append(future->block, event->attachments);
  future->serializer = event->serializer;
  future->compression = event->compression;
  future->flags |= (event->flags & PERI_EV_NOT_RUN) != 0 ? PERI_FUTURE_NOT_RUN : 0;
  peri_future_complete(server->futures, call->stream, event->code);
}

// The answer of an executor goes into the job, which its home worker knows how to send.
static void answer_job(peri_call *call, const peri_event *event) {
  peri_job *job = call->job;
  peri_bytes bytes = event->code != 0 ? event->message : event->body;
  job->reply.len = 0;
  peri_buf_add(&job->reply, bytes.ptr, bytes.len);
  if (event->code != 0 && event->body.len != 0) {
    peri_buf_add(&job->error, event->body.ptr, event->body.len);
  }
  job->code = event->code;
  job->not_run = (event->flags & PERI_EV_NOT_RUN) != 0;
  job->reply_serializer = event->serializer;
  job->reply_compression = event->compression;
}

// An answer that the protocol would not take (over frame_size, attachments over what a head holds): the
// caller hears so, instead of waiting for its deadline.
static PERI_COLD void answer_bare(peri_server *server, peri_call *call, int code, bool counted) {
  if (call->conn->closing) {
    return;
  }
  const char *text = code == PERI_ETOO_BIG ? "the result is over frame_size, or its attachments are"
                                             " over 65535 bytes"
                                           : "the result could not be written";
  peri_log(PERI_LOG_ERROR, "REPLY-WRITE", "%s.%s: %s (%s)", call->method->exporter->iface,
           call->method->name, text, peri_code_text(code));
  peri_event event = reply_event(call);
  event.attachments = (peri_bytes){NULL, 0};
  event.compression = PERI_COMP_NONE;
  event.code = code;
  event.message = peri_bytes_of(text);
  call->conn->protocol->emit(call->conn, &event);
  server->failed += !counted;
  call->method->errors += !counted;
}

// An answer whose body is there already.
static void answer(peri_server *server, peri_call *call, const peri_event *event) {
  if (call->local) {
    answer_local(server, call, event);
    return;
  }
  if (call->hired) {
    answer_job(call, event);
    return;
  }
  int code = call->conn->protocol->emit(call->conn, event);
  if (__builtin_expect(code < 0, 0)) {
    answer_bare(server, call, code, event->code != 0);
  }
}

static PERI_COLD void finish_job(peri_server *server, peri_call *call) {
  call->job->reply_attachments = call->reply_attachments;
  call->reply_attachments = (peri_bytes){NULL, 0};
  peri_call_release(server, call);
  peri_executor_done(server->executor);
}

static PERI_INLINE void finish(peri_server *server, peri_call *call) {
  peri_method_answered(call->method, server->loop->now_ns - call->arrived_ns);
  server->answered++;
  if (__builtin_expect(call->conn == NULL, 0) && !call->local && !call->hired) {
    server->dropped++;
  }
  if (__builtin_expect(call->hired, 0)) {
    finish_job(server, call);
    return;
  }
  release(server, call);
}

peri_error_value peri_call_error_value(const peri_call *call) {
  if (!wanted(call)) {
    return PERI_ERROR_BARE;
  }
  if (call->hired) {
    return call->job->error_value;
  }
  if (call->local || (call->session != NULL ? call->session->native : call->conn->native)) {
    return PERI_ERROR_DETAILS;
  }
  const peri_serializer *serializer = peri_serializer_by_id(call->serializer);
  // Those whose envelope takes one, and those whose values stand in a body of the protocol's own.
  return serializer != NULL && (serializer->begin_reply != NULL || serializer->linked)
             ? PERI_ERROR_EXCEPTION
             : PERI_ERROR_BARE;
}

void peri_call_fail(peri_server *server, peri_call *call, int code, peri_bytes message,
                    bool not_run) {
  peri_call_throw(server, call, code, message, not_run, (peri_bytes){NULL, 0});
}

void peri_call_throw(peri_server *server, peri_call *call, int code, peri_bytes message,
                     bool not_run, peri_bytes value) {
  if (wanted(call)) {
    peri_event event = reply_event(call);
    peri_buf copy = {0};
    event.code = code;
    event.message = peri_utf8_mended(message, &copy);  // scripts raise what they like
    event.body = value;
    if (value.len != 0 && peri_call_error_value(call) == PERI_ERROR_DETAILS) {
      event.serializer = PERI_SER_MSGPACK;
    }
    event.compression = PERI_COMP_NONE;
    event.flags = (uint8_t)(event.flags | (not_run ? PERI_EV_NOT_RUN : 0));
    answer(server, call, &event);
    peri_buf_fini(&copy);
  }
  server->failed++;
  call->method->errors++;
  finish(server, call);
}

void peri_call_reply_null(peri_server *server, peri_call *call) {
  if (wanted(call)) {
    peri_event event = reply_event(call);
    event.compression = PERI_COMP_NONE;
    answer(server, call, &event);
  }
  finish(server, call);
}

// Whether the answer is its result and nothing else, to a peer whose protocol has a short way for
// that.
static bool is_plain(const peri_call *call) {
  return call->conn != NULL && call->conn->channel != NULL && !call->oneway &&
         call->reply_attachments.len == 0 && call->callback == NULL &&
         call->conn->protocol->reply != NULL;
}

static PERI_INLINE void reply_plain(peri_server *server, peri_call *call, const peri_call *from) {
  peri_reply reply = {
      .stream = call->stream,
      .session = call->session,
      .body = from->body,
      .block = from->block,
      .serializer = from->serializer,
      .compression = from->compression,
  };
  int code = call->conn->protocol->reply(call->conn, &reply);
  if (__builtin_expect(code < 0, 0)) {
    answer_bare(server, call, code, false);
  }
}

void peri_call_reply_body(peri_server *server, peri_call *call, const peri_call *from) {
  if (is_plain(call)) {
    reply_plain(server, call, from);
  } else if (wanted(call)) {
    peri_event event = reply_event(call);
    event.serializer = from->serializer;
    event.compression = from->compression;
    event.body = from->body;
    event.block = from->block;
    answer(server, call, &event);
  }
  finish(server, call);
}

// The answer that is encoded into the connection's output; false when it cannot be begun.
static PERI_INLINE bool begin(const peri_call *call, uint8_t serializer, peri_mark *mark) {
  peri_conn *conn = call->conn;
  peri_reply reply = {.stream = call->stream, .session = call->session, .serializer = serializer};
  mark->plain = is_plain(call) && conn->protocol->reply_begin(conn, &reply, mark) == 0;
  if (__builtin_expect(mark->plain, 1)) {
    return true;
  }
  peri_event event = reply_event(call);
  event.serializer = serializer;
  return conn->protocol->begin(conn, &event, mark) == 0;
}

static PERI_INLINE void end(peri_server *server, peri_call *call, const peri_mark *mark) {
  peri_conn *conn = call->conn;
  int code;
  if (__builtin_expect(mark->plain, 1)) {
    code = conn->protocol->reply_end(conn, reply_compression(call), mark);
  } else {
    peri_event event = reply_event(call);
    code = conn->protocol->end(conn, &event, mark);
  }
  if (__builtin_expect(code < 0, 0)) {
    answer_bare(server, call, code, false);
  }
}

peri_buf *peri_call_reply_begin(peri_server *server, peri_call *call,
                                const peri_serializer *serializer, peri_mark *mark) {
  if (!wanted(call)) {
    return NULL;
  }
  if (__builtin_expect(call->local, 0)) {
    server->scratch.len = 0;
    return &server->scratch;
  }
  if (__builtin_expect(call->hired, 0)) {
    call->job->reply.len = 0;
    call->job->reply_serializer =
        serializer->linked && serializer->alone != 0 ? serializer->alone : serializer->id;
    return &call->job->reply;
  }
  return begin(call, serializer->id, mark) ? peri_conn_out(call->conn) : NULL;
}

// In the executor, which has the time, as the session wants it.
static void compress(peri_job *job) {
  const peri_compression *compression = peri_compression_by_id(job->wanted_compression);
  peri_buf packed = {0};
  if (compression == NULL || job->reply.len < PERI_COMPRESS_MIN) {
    return;
  }
  peri_bytes plain = {job->reply.data, job->reply.len};
  if (compression->compress(plain, &packed) == 0 && packed.len < plain.len) {
    peri_buf before = job->reply;
    job->reply = packed;
    job->reply_compression = job->wanted_compression;
    packed = before;
  }
  peri_buf_fini(&packed);
}

static PERI_COLD void end_local(peri_server *server, peri_call *call) {
  peri_event event = reply_event(call);
  event.body = (peri_bytes){server->scratch.data, server->scratch.len};
  answer_local(server, call, &event);
}

void peri_call_reply_end(peri_server *server, peri_call *call, const peri_mark *mark) {
  if (wanted(call)) {
    if (__builtin_expect(call->local, 0)) {
      end_local(server, call);
    } else if (__builtin_expect(call->hired, 0)) {
      compress(call->job);
    } else {
      end(server, call, mark);
    }
  }
  finish(server, call);
}

void peri_call_reply_undo(peri_server *server, peri_call *call, const peri_mark *mark) {
  if (call->local) {
    server->scratch.len = 0;
  } else if (call->hired) {
    call->job->reply.len = 0;
  } else if (wanted(call)) {
    call->conn->protocol->abort(call->conn, mark);
  }
}

void peri_call_reply_job(peri_server *server, peri_call *call, peri_job *job) {
  peri_bytes bytes = {job->reply.data, job->reply.len};
  free((void *)call->reply_attachments.ptr);
  call->reply_attachments = job->reply_attachments;
  job->reply_attachments = (peri_bytes){NULL, 0};
  if (job->code != 0) {
    peri_call_throw(server, call, job->code, bytes, job->not_run,
                    (peri_bytes){job->error.data, job->error.len});
    return;
  }
  if (wanted(call)) {
    peri_event event = reply_event(call);
    event.serializer = bytes.len != 0 ? job->reply_serializer : call->serializer;
    event.compression = job->reply_compression;
    event.body = bytes;
    answer(server, call, &event);
  }
  finish(server, call);
}
