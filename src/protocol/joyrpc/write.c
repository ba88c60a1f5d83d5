// SPDX-License-Identifier: MIT
// Events out. A message is written where it will be sent from; what fails is cut off again, so that
// no partial frame ever leaves.
#include "base/hot.h"
#include "protocol/joyrpc/joyrpc.h"

// Bytes of the least body that is sent from where it lies: below, copying it is less than what the
// system takes for two more pieces in a write.
enum { BY_REFERENCE = 2048 };

static uint8_t type_of(const peri_event *event) {
  bool callback = (event->flags & PERI_EV_CALLBACK) != 0;
  switch (event->type) {
  case PERI_EV_OPEN: return callback ? JOY_CALLBACK : JOY_REQUEST;
  case PERI_EV_REPLY: return callback ? JOY_CALLBACK_REPLY : JOY_REPLY;
  case PERI_EV_DATA: return JOY_DATA;
  case PERI_EV_TRAILERS: return JOY_TRAILERS;
  default: return 0;
  }
}

static joy_frame frame_of(const peri_event *event) {
  return (joy_frame){
      .type = type_of(event),
      .serializer = event->serializer,
      .id = (uint32_t)event->stream,
      .session = event->session != NULL ? event->session->id : event->session_id,
      .timeout_ms = event->type == PERI_EV_OPEN ? event->timeout_ms : JOY_TIMEOUT,
      .callback = event->callback,
  };
}

static bool is_native(const peri_conn *conn, const peri_event *event) {
  return joy_is_native(conn, event->session);
}

static int begin_native(const peri_event *event, joy_frame *frame, peri_buf *out) {
  ssize_t head = 0;
  if (event->type == PERI_EV_OPEN) {
    head = joy_request_head_size(event);
  } else if (event->type != PERI_EV_DATA) {
    head = joy_reply_head_size(event);
  }
  if (head < 0) {
    return (int)head;
  }
  size_t size = joy_header_size(frame->callback) + (size_t)head;
  uint8_t *at = joy_frame_put(peri_buf_reserve(out, size), frame);
  if (event->type == PERI_EV_OPEN) {
    joy_request_head_put(at, event, (size_t)head);
  } else if (event->type != PERI_EV_DATA) {
    joy_reply_head_put(at, event, (size_t)head);
  }
  out->len += size;
  return 0;
}

static int begin_envelope(peri_conn *conn, const peri_event *event, joy_frame *frame,
                          peri_buf *out) {
  if (event->type != PERI_EV_OPEN && event->type != PERI_EV_REPLY) {
    return PERI_ENO_METHOD;  // no streams with JoyRPC
  }
  size_t size = joy_header_size(frame->callback);
  joy_frame_put(peri_buf_reserve(out, size), frame);
  out->len += size;
  return joy_envelope_begin(conn, event, out);
}

static const peri_serializer *msgpack(void) {
  return peri_serializer_by_id(PERI_SER_MSGPACK);
}

// Heads carry attachments in MessagePack; those of a call that came in another form are rewritten.
static int attachments_as_msgpack(peri_conn *conn, peri_event *event, peri_buf *text) {
  const peri_serializer *from = peri_serializer_by_id(event->attachments_ser);
  if (from == NULL) {
    return PERI_EBAD_REQUEST;
  }
  int code = peri_serializer_transcode(from, event->attachments, msgpack(), &conn->limits->value,
                                       text, NULL);
  event->attachments = (peri_bytes){text->data, text->len};
  event->attachments_ser = PERI_SER_MSGPACK;
  return code;
}

static int begin_plain(peri_conn *conn, const peri_event *event, peri_mark *mark) {
  joy_frame frame = frame_of(event);
  if (frame.type == 0 || frame.callback.len > PERI_CALLBACK_TEXT_MAX) {
    return PERI_EBAD_REQUEST;
  }
  peri_buf *out = peri_conn_out(conn);
  mark->start = out->len;
  int code = is_native(conn, event) ? begin_native(event, &frame, out)
                                    : begin_envelope(conn, event, &frame, out);
  if (code != 0) {
    out->len = mark->start;
    return code;
  }
  mark->body = out->len;
  return 0;
}

int joy_begin(peri_conn *conn, const peri_event *event, peri_mark *mark) {
  if (conn->closing) {
    return PERI_ECLOSED;
  }
  if (__builtin_expect(event->attachments.len == 0 || event->attachments_ser == PERI_SER_MSGPACK,
                       1)) {
    return begin_plain(conn, event, mark);
  }
  peri_event copy = *event;
  peri_buf text = {0};
  int code = attachments_as_msgpack(conn, &copy, &text);
  code = code == 0 ? begin_plain(conn, &copy, mark) : code;
  peri_buf_fini(&text);
  return code;
}

void joy_abort(peri_conn *conn, const peri_mark *mark) {
  peri_conn_out(conn)->len = mark->start;
}

static int fail(peri_conn *conn, const peri_mark *mark, int code) {
  joy_abort(conn, mark);
  return code;
}

// Compresses [from, end) of the output when that makes it smaller, and says so in the header. A
// failing compressor leaves the body as it is.
static void compress(peri_buf *out, size_t start, size_t from, uint8_t id) {
  const peri_compression *compression = peri_compression_by_id(id);
  peri_bytes plain = {out->data + from, out->len - from};
  peri_buf packed = {0};
  if (compression != NULL && compression->compress(plain, &packed) == 0 && packed.len < plain.len) {
    memcpy(out->data + from, packed.data, packed.len);
    out->len = from + packed.len;
    out->data[start + 18] = id;
  }
  peri_buf_fini(&packed);
}

static int end_stream(peri_conn *conn, const peri_event *event) {
  joy_frame frame = frame_of(event);
  frame.type = JOY_HALF_CLOSE;
  joy_frame_send(conn, &frame);
  return 0;
}

// The envelope's end, or an empty body for "nothing".
static int close_envelope(peri_conn *conn, const peri_event *event, const peri_mark *mark) {
  peri_buf *out = peri_conn_out(conn);
  if (event->type == PERI_EV_REPLY && event->code == 0 && out->len == mark->body) {
    out->len = mark->start + 6 + peri_get_u16(out->data + mark->start + 6);
    return 0;
  }
  if (event->type == PERI_EV_OPEN && out->len == mark->body) {
    static const uint8_t no_arguments = 0x90;
    int code = joy_envelope_value(conn, event, (peri_bytes){&no_arguments, 1}, PERI_SER_MSGPACK);
    if (code != 0) {
      return code;
    }
  }
  return joy_envelope_end(event, out, mark->body);
}

static int finish(peri_conn *conn, const peri_event *event, const peri_mark *mark, uint8_t wish) {
  peri_buf *out = peri_conn_out(conn);
  size_t from = mark->body;
  if (!is_native(conn, event)) {
    int code = close_envelope(conn, event, mark);
    if (code != 0) {
      return fail(conn, mark, code);
    }
    from = mark->start + 6 + peri_get_u16(out->data + mark->start + 6);
  }
  if (wish != 0 && event->code == 0 && out->len - from >= PERI_COMPRESS_MIN) {
    compress(out, mark->start, from, wish);
  }
  int code = joy_frame_seal(conn, mark->start, 0);
  if (code != 0) {
    return fail(conn, mark, code);
  }
  return event->type == PERI_EV_DATA && (event->flags & PERI_EV_END) != 0 ? end_stream(conn, event)
                                                                          : 0;
}

int joy_end(peri_conn *conn, const peri_event *event, const peri_mark *mark) {
  return finish(conn, event, mark, event->compression);
}

// ---- whole events -----------------------------------------------------------------------------

static int emit_native(peri_conn *conn, const peri_event *event, const peri_mark *mark) {
  peri_buf *out = peri_conn_out(conn);
  out->data[mark->start + 18] = event->compression;
  if (event->code != 0) {
    return finish(conn, event, mark, 0);  // its details are in the head
  }
  if (event->block == NULL || event->body.len < BY_REFERENCE) {
    peri_buf_add(out, event->body.ptr, event->body.len);
    return finish(conn, event, mark, 0);
  }
  int code = joy_frame_seal(conn, mark->start, event->body.len);
  if (code != 0) {
    return fail(conn, mark, code);
  }
  peri_channel_add_block(conn->channel, event->block, event->body);
  return event->type == PERI_EV_DATA && (event->flags & PERI_EV_END) != 0 ? end_stream(conn, event)
                                                                          : 0;
}

// Inside an envelope the body must be plain.
static int emit_envelope(peri_conn *conn, const peri_event *event, const peri_mark *mark) {
  if (event->body.len == 0) {
    return finish(conn, event, mark, 0);
  }
  peri_buf plain = {0};
  peri_bytes body = event->body;
  int code = 0;
  if (event->compression != 0) {
    const peri_compression *compression = peri_compression_by_id(event->compression);
    code = compression != NULL ? compression->decompress(body, conn->limits->frame, &plain)
                               : PERI_EBAD_REQUEST;
    body = (peri_bytes){plain.data, plain.len};
  }
  code = code == 0 ? joy_envelope_value(conn, event, body, event->serializer) : code;
  peri_buf_fini(&plain);
  return code == 0 ? finish(conn, event, mark, event->compression) : fail(conn, mark, code);
}

static int emit_control(peri_conn *conn, const peri_event *event, joy_type type, peri_bytes body) {
  if (!conn->native && type >= JOY_DATA) {
    return PERI_ENO_METHOD;
  }
  joy_frame frame = frame_of(event);
  frame.type = (uint8_t)type;
  frame.body = body;
  joy_frame_send(conn, &frame);
  return 0;
}

static int emit_number(peri_conn *conn, const peri_event *event, joy_type type, uint32_t number) {
  uint8_t bytes[4];
  peri_put_u32(bytes, number);
  return emit_control(conn, event, type, (peri_bytes){bytes, 4});
}

static int emit_goaway(peri_conn *conn, const peri_event *event) {
  uint32_t last = event->stream <= INT32_MAX ? (uint32_t)event->stream : INT32_MAX;
  peri_event bare = {.type = PERI_EV_GOAWAY};
  if (conn->native) {
    return emit_number(conn, &bare, JOY_GOAWAY, last);
  }
  return conn->server ? emit_control(conn, &bare, JOY_OFFLINE, (peri_bytes){NULL, 0}) : 0;
}

static int emit_cancel(peri_conn *conn, const peri_event *event) {
  uint8_t status =
      event->code < 0 && event->code > -256 ? (uint8_t)-event->code : (uint8_t)-PERI_ECANCELLED;
  peri_event copy = *event;
  if ((event->flags & PERI_EV_CALLBACK) != 0 && event->callback.len == 0) {
    copy.callback = peri_bytes_of("0");
  }
  // JoyRPC has no way to tell; the answer will come and be dropped.
  return conn->native ? emit_control(conn, &copy, JOY_CANCEL, (peri_bytes){&status, 1}) : 0;
}

static PERI_COLD int emit_reply(peri_conn *conn, const peri_reply *reply) {
  peri_event event = peri_reply_event(reply);
  return joy_emit(conn, &event);
}

static const uint8_t plain_head[] = {0, 2, 0, 0};  // nothing in it but its length
enum { PLAIN_SIZE = JOY_HEADER + sizeof plain_head };

// Writes what is in front of `body` bytes; returns where these begin.
static PERI_INLINE uint8_t *put_plain(uint8_t *at, const peri_reply *reply, uint8_t compression,
                                      size_t body) {
  joy_frame frame = {
      .type = JOY_REPLY,
      .serializer = reply->serializer,
      .compression = compression,
      .id = (uint32_t)reply->stream,
      .session = reply->session != NULL ? reply->session->id : 0,
      .timeout_ms = JOY_TIMEOUT,
      .body = {NULL, sizeof plain_head + body},
  };
  at = joy_frame_put(at, &frame);
  memcpy(at, plain_head, sizeof plain_head);
  return at + sizeof plain_head;
}

// The same bytes as through the event, in one piece: half of what an echo costs beside its handler
// was the event, the frame and the head made of it.
int joy_reply(peri_conn *conn, const peri_reply *reply) {
  size_t len = PLAIN_SIZE + reply->body.len;
  bool copied = reply->block == NULL || reply->body.len < BY_REFERENCE;
  if (__builtin_expect(conn->closing || !joy_is_native(conn, reply->session) ||
                           len - 2 > conn->limits->frame,
                       0)) {
    return emit_reply(conn, reply);
  }
  peri_buf *out = peri_conn_out(conn);
  len = copied ? len : PLAIN_SIZE;
  uint8_t *at = put_plain(peri_buf_reserve(out, len), reply, reply->compression, reply->body.len);
  out->len += len;
  if (!copied) {
    peri_channel_add_block(conn->channel, reply->block, reply->body);
  } else if (reply->body.len != 0) {
    memcpy(at, reply->body.ptr, reply->body.len);
  }
  conn->frames_out++;
  peri_channel_touch(conn->channel);
  return 0;
}

int joy_reply_begin(peri_conn *conn, const peri_reply *reply, peri_mark *mark) {
  if (__builtin_expect(conn->closing || !joy_is_native(conn, reply->session), 0)) {
    return PERI_AGAIN;
  }
  peri_buf *out = peri_conn_out(conn);
  put_plain(peri_buf_reserve(out, PLAIN_SIZE), reply, 0, 0);
  mark->start = out->len;
  out->len += PLAIN_SIZE;
  mark->body = out->len;
  return 0;
}

int joy_reply_end(peri_conn *conn, uint8_t compression, const peri_mark *mark) {
  peri_buf *out = peri_conn_out(conn);
  if (compression != 0 && out->len - mark->body >= PERI_COMPRESS_MIN) {
    compress(out, mark->start, mark->body, compression);
  }
  int code = joy_frame_seal(conn, mark->start, 0);
  return code != 0 ? fail(conn, mark, code) : 0;
}

static PERI_COLD int emit_request(peri_conn *conn, const peri_request *request) {
  peri_event event = peri_request_event(request);
  return joy_emit(conn, &event);
}

// As joy_reply is to joy_emit.
int joy_request(peri_conn *conn, const peri_request *request) {
  size_t name = request->method.len;
  size_t head = 4 + name;
  size_t len = JOY_HEADER + head + request->body.len;
  if (__builtin_expect(conn->closing || !request->session->native || name == 0 ||
                           name > UINT8_MAX || len - 2 > conn->limits->frame,
                       0)) {
    return emit_request(conn, request);
  }
  peri_buf *out = peri_conn_out(conn);
  joy_frame frame = {
      .type = JOY_REQUEST,
      .serializer = request->serializer,
      .id = (uint32_t)request->stream,
      .session = request->session->id,
      .timeout_ms = request->timeout_ms,
      .body = {NULL, head + request->body.len},
  };
  uint8_t *at = joy_frame_put(peri_buf_reserve(out, len), &frame);
  peri_put_u16(at, (uint16_t)(head - 2));
  at[2] = 0;
  at[3] = (uint8_t)name;
  memcpy(at + 4, request->method.ptr, name);
  if (request->body.len != 0) {
    memcpy(at + head, request->body.ptr, request->body.len);
  }
  out->len += len;
  conn->frames_out++;
  peri_channel_touch(conn->channel);
  return 0;
}

int joy_emit(peri_conn *conn, const peri_event *event) {
  if (conn->closing) {
    return PERI_ECLOSED;
  }
  switch (event->type) {
  case PERI_EV_HALF_CLOSE: return emit_control(conn, event, JOY_HALF_CLOSE, (peri_bytes){NULL, 0});
  case PERI_EV_CANCEL: return emit_cancel(conn, event);
  case PERI_EV_WINDOW: return emit_number(conn, event, JOY_WINDOW, event->credit);
  case PERI_EV_GOAWAY: return emit_goaway(conn, event);
  case PERI_EV_PING: return emit_control(conn, event, JOY_BEAT, (peri_bytes){NULL, 0});
  default: break;
  }
  peri_mark mark;
  int code = joy_begin(conn, event, &mark);
  if (code != 0) {
    return code;
  }
  return is_native(conn, event) ? emit_native(conn, event, &mark)
                                : emit_envelope(conn, event, &mark);
}
