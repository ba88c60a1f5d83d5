// SPDX-License-Identifier: MIT
// Frames that belong to calls: they become events.
#include <string.h>

#include "base/hot.h"
#include "protocol/joyrpc/joyrpc.h"
#include "protocol/serializer/utf8.h"

static int head_spoilt(peri_conn *conn, const joy_frame *frame) {
  return peri_conn_complain(
      conn, PERI_EPROTOCOL, "JOYRPC-HEAD",
      "the head of message %u (type %u) does not fit its body of %zu bytes, or "
      "head_size = %u",
      frame->id, frame->type, frame->body.len, conn->limits->head);
}

void joy_refuse(peri_conn *conn, const peri_event *request, int code, const char *message) {
  if ((request->flags & PERI_EV_ONEWAY) != 0) {
    return;
  }
  peri_buf copy = {0};
  peri_event reply = {
      .type = PERI_EV_REPLY,
      .flags = (uint8_t)(PERI_EV_NOT_RUN | (request->flags & PERI_EV_CALLBACK)),
      .serializer = request->serializer,
      .code = code,
      .stream = request->stream,
      .session = request->session,
      .session_id = request->session_id,
      .callback =
          (request->flags & PERI_EV_CALLBACK) != 0 ? request->callback : (peri_bytes){NULL, 0},
      .message = peri_utf8_mended(peri_bytes_of(message), &copy),  // may repeat what the peer sent
  };
  joy_emit(conn, &reply);
  peri_buf_fini(&copy);
}

static PERI_INLINE bool fill_from_session(peri_event *event) {
  const peri_session *session = event->session;
  if (event->iface.len == 0 && session != NULL) {
    event->iface = (peri_bytes){(const uint8_t *)session->iface, session->iface_len};
  }
  if (event->alias.len == 0 && session != NULL) {
    event->alias = (peri_bytes){(const uint8_t *)session->alias, session->alias_len};
  }
  return event->iface.len != 0 || (event->flags & PERI_EV_CALLBACK) != 0;
}

// Ids are compared as serial numbers: they wrap at 2^31.
static bool is_after(uint32_t id, uint32_t than) {
  return (((id - than) & INT32_MAX) - 1) < (INT32_MAX >> 1);
}

static PERI_INLINE int report_open(peri_conn *conn, peri_event *event) {
  joy_state *state = joy_state_of(conn);
  uint32_t id = (uint32_t)event->stream;
  if (state->said_goaway && is_after(id, state->goaway_at)) {
    joy_refuse(conn, event, PERI_ESHUTDOWN, "Server is shutdown.");
    return 0;
  }
  state->last_in = id;
  if (!fill_from_session(event)) {
    joy_refuse(conn, event, PERI_ESESSION_LOST,
               "[RPC-033017] the session is unknown here or expired; negotiate again");
    return 0;
  }
  if (event->attachments.len != 0 && joy_is_generic(event, &conn->limits->value)) {
    event->flags |= PERI_EV_GENERIC;
  }
  peri_conn_opened(conn, event);
  return 0;
}

int joy_report_open(peri_conn *conn, peri_event *event) {
  return report_open(conn, event);
}

static peri_event event_of(peri_conn *conn, const joy_frame *frame, peri_event_type type) {
  return (peri_event){
      .type = (uint8_t)type,
      .serializer = frame->serializer,
      .compression = frame->compression,
      .stream = frame->id,
      .session = joy_session(conn, frame->session),
      .session_id = frame->session,
      .callback = frame->callback,
      .block = frame->block,
  };
}

static int on_long_request(peri_conn *conn, const joy_frame *frame, uint8_t flags) {
  peri_event event = event_of(conn, frame, PERI_EV_OPEN);
  event.flags = flags;
  event.timeout_ms = frame->timeout_ms;
  if (!joy_is_native(conn, event.session)) {
    event.flags |= PERI_EV_END;
    return joy_envelope_request(conn, frame, &event);
  }
  if (__builtin_expect(!joy_request_head_read(frame->body, conn->limits->head, &event), 0)) {
    return head_spoilt(conn, frame);
  }
  return report_open(conn, &event);
}

// The length of a head that names a method and says nothing else, as that of nearly every request; 0
// when it is another one.
static PERI_INLINE size_t plain_head(const peri_conn *conn, peri_bytes body) {
  enum { FLAGS = 2, NAME = 3 };
  size_t len = body.len > 4 ? peri_get_u16(body.ptr) + 2u : 0;
  return len > 4 && len <= body.len && body.ptr[FLAGS] == 0 && body.ptr[NAME] + 4u == len &&
                 len - 2 <= conn->limits->head
             ? len
             : 0;
}

static int on_request(peri_conn *conn, const joy_frame *frame, uint8_t flags) {
  joy_state *state = joy_state_of(conn);
  peri_session *session =
      flags == 0 && !state->said_goaway ? joy_session(conn, frame->session) : NULL;
  size_t head = session != NULL && session->native && session->iface_len != 0
                    ? plain_head(conn, frame->body)
                    : 0;
  if (__builtin_expect(head == 0 || frame->callback.len != 0, 0)) {
    return on_long_request(conn, frame, flags);
  }
  state->last_in = frame->id;
  peri_request request = {
      .stream = frame->id,
      .session = session,
      .method = {frame->body.ptr + 4, head - 4},
      .body = {frame->body.ptr + head, frame->body.len - head},
      .block = frame->block,
      .timeout_ms = frame->timeout_ms,
      .serializer = frame->serializer,
      .compression = frame->compression,
  };
  peri_conn_requested(conn, &request);
  return 0;
}

// Has the body a head that says nothing, as that of nearly every answer?
static PERI_INLINE bool is_result(const joy_frame *frame) {
  return frame->body.len >= 4 && peri_get_u32(frame->body.ptr) == 0x00020000;
}

static PERI_INLINE int on_result(peri_conn *conn, const joy_frame *frame, peri_session *session) {
  peri_reply reply = {
      .stream = frame->id,
      .session = session,
      .body = {frame->body.ptr + 4, frame->body.len - 4},
      .block = frame->block,
      .serializer = frame->serializer,
      .compression = frame->compression,
  };
  peri_conn_result(conn, &reply);
  return 0;
}

static int on_reply(peri_conn *conn, const joy_frame *frame, peri_event_type type, uint8_t flags) {
  peri_session *session = joy_session(conn, frame->session);
  if (__builtin_expect(type == PERI_EV_REPLY && flags == 0 && is_result(frame) &&
                           joy_is_native(conn, session),
                       1)) {
    return on_result(conn, frame, session);
  }
  peri_event event = event_of(conn, frame, type);
  event.flags = (uint8_t)(flags | PERI_EV_END);
  if (!joy_is_native(conn, event.session)) {
    return joy_envelope_reply(conn, frame, &event);
  }
  // Header only is "nothing", like in JoyRPC.
  if (frame->body.len != 0 &&
      __builtin_expect(!joy_reply_head_read(frame->body, conn->limits->head, &event), 0)) {
    return head_spoilt(conn, frame);
  }
  peri_conn_event(conn, &event);
  return 0;
}

static int on_data(peri_conn *conn, const joy_frame *frame) {
  peri_event event = event_of(conn, frame, PERI_EV_DATA);
  event.body = frame->body;
  peri_conn_event(conn, &event);
  return 0;
}

// CANCEL carries one byte of status at most, WINDOW and GOAWAY a number.
static int on_control(peri_conn *conn, const joy_frame *frame, peri_event_type type) {
  peri_event event = event_of(conn, frame, type);
  bool number = type == PERI_EV_WINDOW || type == PERI_EV_GOAWAY;
  if (number && frame->body.len != 4) {
    return head_spoilt(conn, frame);
  }
  if (type == PERI_EV_WINDOW) {
    event.credit = peri_get_u32(frame->body.ptr);
  } else if (type == PERI_EV_GOAWAY) {
    event.stream = peri_get_u32(frame->body.ptr);
  } else if (type == PERI_EV_CANCEL) {
    // A cancelled call never looks like a success, whatever the peer writes.
    int code = frame->body.len != 0 ? -(int)frame->body.ptr[0] : 0;
    event.code = strcmp(peri_code_name(code), "UNKNOWN") == 0 || code == 0 ? PERI_ECANCELLED : code;
    // Both ends number their calls from 1: the attribute tells whose call is meant.
    event.flags = frame->callback.len != 0 ? PERI_EV_CALLBACK : 0;
  } else {
    event.flags = PERI_EV_END;
  }
  peri_conn_event(conn, &event);
  return 0;
}

static int wrong_type(peri_conn *conn, const joy_frame *frame) {
  return peri_conn_complain(conn, PERI_EPROTOCOL, "JOYRPC-TYPE",
                            "message type %u is not expected from this peer", frame->type);
}

static int on_private(peri_conn *conn, const joy_frame *frame) {
  switch (frame->type) {
  case JOY_DATA: return on_data(conn, frame);
  case JOY_HALF_CLOSE: return on_control(conn, frame, PERI_EV_HALF_CLOSE);
  case JOY_CANCEL: return on_control(conn, frame, PERI_EV_CANCEL);
  case JOY_WINDOW: return on_control(conn, frame, PERI_EV_WINDOW);
  case JOY_GOAWAY: return on_control(conn, frame, PERI_EV_GOAWAY);
  case JOY_TRAILERS: return on_reply(conn, frame, PERI_EV_TRAILERS, 0);
  default: return wrong_type(conn, frame);
  }
}

int joy_on_call(peri_conn *conn, const joy_frame *frame) {
  if (frame->type == JOY_REQUEST && conn->server) {
    return on_request(conn, frame, 0);
  }
  if (frame->type == JOY_REPLY && !conn->server) {
    return on_reply(conn, frame, PERI_EV_REPLY, 0);
  }
  if (frame->type == JOY_CALLBACK && !conn->server) {
    return on_request(conn, frame, PERI_EV_CALLBACK);
  }
  if (frame->type == JOY_CALLBACK_REPLY && conn->server) {
    return on_reply(conn, frame, PERI_EV_REPLY, PERI_EV_CALLBACK);
  }
  if (frame->type >= JOY_DATA && conn->native) {
    return on_private(conn, frame);
  }
  return wrong_type(conn, frame);
}
