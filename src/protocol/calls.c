// SPDX-License-Identifier: MIT
// The two directions of calls on a connection: who waits for which answer, and where events go.
#include "base/hot.h"
#include "base/mem.h"
#include "protocol/conn.h"
#include "protocol/counters.h"
#include "protocol/pending.h"

uint64_t peri_conn_expect(peri_conn *conn, peri_future *future) {
  uint32_t stream = peri_pending_add(&conn->pending, &conn->next_stream, future->id);
  peri_check(conn->pending->table == NULL || conn->pending->table == future->table);
  conn->pending->table = future->table;
  return stream;
}

uint64_t peri_conn_open_stream(peri_conn *conn) {
  return peri_pending_add(&conn->pending, &conn->next_stream, 0);
}

uint64_t peri_conn_next_stream(peri_conn *conn) {
  conn->next_stream = peri_pending_skip(conn->pending, conn->next_stream);
  return conn->next_stream;
}

uint32_t peri_conn_expecting(const peri_conn *conn) {
  return conn->pending != NULL ? conn->pending->count : 0;
}

void peri_conn_forget(peri_conn *conn, uint64_t stream, bool tell) {
  peri_pending_slot *slot = peri_pending_find(conn->pending, stream);
  if (slot == NULL) {
    return;
  }
  peri_pending_remove(conn->pending, slot);
  if (tell && !conn->closing && conn->protocol != NULL &&
      (conn->protocol->abilities & PERI_CAN_CANCEL) != 0) {
    peri_event cancel = {.type = PERI_EV_CANCEL, .stream = stream, .code = PERI_ECANCELLED};
    cancel.flags = conn->server ? PERI_EV_CALLBACK : 0;
    conn->protocol->emit(conn, &cancel);
  }
}

void peri_conn_release_callbacks(peri_conn *conn, peri_bytes callbacks) {
  if (!conn->server || !conn->native || conn->closing || conn->channel == NULL) {
    return;
  }
  peri_event event = {
      .type = PERI_EV_OPEN,
      .flags = PERI_EV_END | PERI_EV_ONEWAY | PERI_EV_CALLBACK,
      .serializer = PERI_SER_MSGPACK,
      .stream = peri_conn_next_stream(conn),
      .method = peri_bytes_of(PERI_CALLBACK_RELEASE),
      .callback = callbacks,
  };
  conn->protocol->emit(conn, &event);
}

static void complete(peri_futures *table, peri_id id, const peri_event *event) {
  peri_future *future = peri_future_answer(table, id);
  if (future == NULL) {
    peri_future_complete(table, id, event->code);  // counts it late
    return;
  }
  future->serializer = event->serializer;
  future->compression = event->compression;
  future->flags |= (event->flags & PERI_EV_NOT_RUN) != 0 ? PERI_FUTURE_NOT_RUN : 0;
  future->body = event->body;
  future->message = event->message;
  future->attachments = event->attachments;
  future->block = event->block != NULL ? peri_block_ref(event->block) : NULL;
  peri_future_finish(table, future, event->code);
}

static bool ends_call(uint8_t type) {
  return type == PERI_EV_REPLY || type == PERI_EV_TRAILERS || type == PERI_EV_CANCEL;
}

// An event on a stream that we opened.
static void answer(peri_conn *conn, const peri_event *event) {
  peri_pending_slot *slot = peri_pending_find(conn->pending, event->stream);
  if (slot == NULL) {
    peri_protocol_count(PERI_COUNT_LATE);
  } else if (slot->future == 0) {
    conn->handler->event(conn->arg, conn, event);
  } else if (ends_call(event->type)) {
    peri_id id = slot->future;
    peri_futures *table = conn->pending->table;
    peri_pending_remove(conn->pending, slot);
    complete(table, id, event);
  }
}

PERI_COLD peri_event peri_reply_event(const peri_reply *reply) {
  return (peri_event){
      .type = PERI_EV_REPLY,
      .flags = PERI_EV_END,
      .serializer = reply->serializer,
      .compression = reply->compression,
      .stream = reply->stream,
      .session = reply->session,
      .body = reply->body,
      .block = reply->block,
  };
}

PERI_COLD peri_event peri_request_event(const peri_request *request) {
  const peri_session *session = request->session;
  return (peri_event){
      .type = PERI_EV_OPEN,
      .flags = PERI_EV_END,
      .serializer = request->serializer,
      .compression = request->compression,
      .timeout_ms = request->timeout_ms,
      .stream = request->stream,
      .session = request->session,
      .session_id = session->id,
      .iface = {(const uint8_t *)session->iface, session->iface_len},
      .alias = {(const uint8_t *)session->alias, session->alias_len},
      .method = request->method,
      .body = request->body,
      .block = request->block,
  };
}

static PERI_COLD void result_event(peri_conn *conn, const peri_reply *reply) {
  peri_event event = peri_reply_event(reply);
  peri_conn_event(conn, &event);
}

// What answer and complete do, without an event.
void peri_conn_result(peri_conn *conn, const peri_reply *reply) {
  peri_pending_slot *slot = conn->server ? NULL : peri_pending_find(conn->pending, reply->stream);
  peri_future *future = slot != NULL && slot->future != 0
                            ? peri_future_answer(conn->pending->table, slot->future)
                            : NULL;
  if (__builtin_expect(future == NULL, 0)) {
    result_event(conn, reply);
    return;
  }
  peri_pending_remove(conn->pending, slot);
  future->serializer = reply->serializer;
  future->compression = reply->compression;
  future->body = reply->body;
  future->block = reply->block != NULL ? peri_block_ref(reply->block) : NULL;
  peri_future_finish(future->table, future, 0);
}

void peri_conn_event(peri_conn *conn, const peri_event *event) {
  switch (event->type) {
  case PERI_EV_OPEN: peri_conn_opened(conn, event); return;
  case PERI_EV_PING: break;
  case PERI_EV_GOAWAY: peri_conn_peer_drains(conn, event->stream); break;
  default:
    // The client opens streams, except callbacks, which the server opens.
    if (conn->server == ((event->flags & PERI_EV_CALLBACK) != 0)) {
      answer(conn, event);
      return;
    }
  }
  conn->handler->event(conn->arg, conn, event);
}

void peri_conn_peer_drains(peri_conn *conn, uint64_t last) {
  conn->served_up_to = last < conn->served_up_to ? last : conn->served_up_to;
  if (!conn->drained) {
    conn->drained = true;
    if (conn->handler->drained != NULL) {
      conn->handler->drained(conn->arg, conn);
    }
  }
}
