// SPDX-License-Identifier: MIT
// JoyRPC's own bodies, where method, attachments and result are inside the serialized value. The
// serializer of the frame slices and writes them; here is what that means for events.
#include "protocol/joyrpc/joyrpc.h"

#include "base/mem.h"
#include "protocol/serializer/java_error.h"

// What reading a body needed beside the bytes it came in.
typedef struct reading {
  peri_bytes body;    // plain
  peri_block *block;  // that keeps `body`; owned reference or NULL
  peri_buf scratch;   // text that had to be unescaped
} reading;

static void reading_fini(reading *r) {
  peri_block_unref(r->block);
  peri_buf_fini(&r->scratch);
}

static int unpack(peri_conn *conn, const joy_frame *frame, reading *r, peri_err *err) {
  const peri_compression *compression = peri_compression_by_id(frame->compression);
  if (compression == NULL) {
    return peri_fail(err, PERI_EBAD_REQUEST, "compression %u is not known here",
                     frame->compression);
  }
  peri_buf plain = {0};
  int code = compression->decompress(frame->body, conn->limits->frame, &plain);
  r->block = code == 0 ? peri_block_copy((peri_bytes){plain.data, plain.len}) : NULL;
  peri_buf_fini(&plain);
  if (r->block == NULL) {
    return peri_fail(err, code != 0 ? code : PERI_ENO_MEMORY, "the %s body cannot be unpacked",
                     compression->name);
  }
  r->body = (peri_bytes){r->block->data, r->block->used};
  return 0;
}

static int reading_begin(peri_conn *conn, const joy_frame *frame, reading *r, peri_err *err) {
  *r = (reading){.body = frame->body};
  if (frame->compression != 0) {
    return unpack(conn, frame, r, err);
  }
  r->block = frame->block != NULL ? peri_block_ref(frame->block) : NULL;
  return 0;
}

static void move(peri_bytes *slice, peri_bytes from, uint8_t *to) {
  if (slice->len != 0 && slice->ptr >= from.ptr && slice->ptr < from.ptr + from.len) {
    slice->ptr = to + (slice->ptr - from.ptr);
  }
}

// Slices that point into scratch would die with it: body and scratch move to a block of their own.
static bool settle(reading *r, peri_bytes *slices[], size_t count) {
  if (r->scratch.len == 0) {
    return true;
  }
  peri_block *block = peri_block_new((uint32_t)(r->body.len + r->scratch.len));
  if (block == NULL) {
    return false;
  }
  block->used = block->cap;
  memcpy(block->data, r->body.ptr, r->body.len);
  memcpy(block->data + r->body.len, r->scratch.data, r->scratch.len);
  peri_bytes scratch = {r->scratch.data, r->scratch.len};
  for (size_t n = 0; n < count; n++) {
    move(slices[n], r->body, block->data);
    move(slices[n], scratch, block->data + r->body.len);
  }
  peri_block_unref(r->block);
  r->block = block;
  return true;
}

static int unknown_serializer(peri_conn *conn, const joy_frame *frame) {
  return peri_conn_complain(conn, PERI_EPROTOCOL, "JOYRPC-SERIALIZATION",
                            "a body in serialization %u cannot be read here", frame->serializer);
}

static int request_read(peri_conn *conn, const joy_frame *frame, const peri_serializer *serializer,
                        reading *r, peri_event *event, peri_err *err) {
  int code = reading_begin(conn, frame, r, err);
  peri_envelope envelope = {0};
  if (code == 0) {
    code = serializer->read_request(r->body, &conn->limits->value, &r->scratch, &envelope, err);
  }
  if (code != 0) {
    return code;
  }
  event->iface = envelope.iface;
  event->alias = envelope.alias;
  event->method = envelope.method;
  event->attachments = envelope.attachments;
  event->attachments_ser =
      envelope.attachments_ser != 0 ? envelope.attachments_ser : frame->serializer;
  event->body = envelope.args;
  event->compression = 0;
  peri_bytes *slices[] = {&event->iface, &event->alias, &event->method, &event->attachments,
                          &event->body};
  if (!settle(r, slices, 5)) {
    return peri_fail(err, PERI_ENO_MEMORY, "no memory for the request");
  }
  event->block = r->block;
  return event->method.len != 0 ? 0 : peri_fail(err, PERI_EBAD_REQUEST, "no methodName");
}

int joy_envelope_request(peri_conn *conn, const joy_frame *frame, peri_event *event) {
  const peri_serializer *serializer = peri_serializer_by_id(frame->serializer);
  if (serializer == NULL || serializer->read_request == NULL) {
    return unknown_serializer(conn, frame);
  }
  reading r;
  peri_err err = {0};
  int code = request_read(conn, frame, serializer, &r, event, &err);
  if (code == 0) {
    code = joy_report_open(conn, event);
  } else {
    joy_refuse(conn, event, code, err.text);
    code = 0;
  }
  reading_fini(&r);
  return code;
}

static int reply_read(peri_conn *conn, const joy_frame *frame, const peri_serializer *serializer,
                      reading *r, peri_event *event, peri_err *err) {
  int code = reading_begin(conn, frame, r, err);
  peri_reply_envelope envelope = {0};
  if (code == 0 && r->body.len != 0) {
    code = serializer->read_reply(r->body, &conn->limits->value, &r->scratch, &envelope, err);
  }
  if (code != 0) {
    return code;
  }
  event->code = envelope.failed ? peri_java_error_said(envelope.code, envelope.message) : 0;
  event->flags |= envelope.failed && envelope.retry ? PERI_EV_NOT_RUN : 0;
  event->message = envelope.message;
  event->body = envelope.result;
  event->compression = 0;
  peri_bytes *slices[] = {&event->message, &event->body};
  if (!settle(r, slices, 2)) {
    return peri_fail(err, PERI_ENO_MEMORY, "no memory for the reply");
  }
  event->block = r->block;
  return 0;
}

// A reply that cannot be read fails its call, not the connection.
static void reply_spoilt(peri_event *event, int code, const char *text, peri_block **block) {
  event->code = code == PERI_ENO_MEMORY || code == PERI_ETOO_BIG ? code : PERI_EPROTOCOL;
  event->body = (peri_bytes){NULL, 0};
  *block = peri_block_copy(peri_bytes_of(text));
  event->block = *block;
  if (*block != NULL) {
    event->message = (peri_bytes){(*block)->data, (*block)->used};
  }
}

int joy_envelope_reply(peri_conn *conn, const joy_frame *frame, peri_event *event) {
  const peri_serializer *serializer = peri_serializer_by_id(frame->serializer);
  if (frame->body.len != 0 && (serializer == NULL || serializer->read_reply == NULL)) {
    return unknown_serializer(conn, frame);
  }
  reading r;
  peri_block *text = NULL;
  peri_err err = {0};
  int code = reply_read(conn, frame, serializer, &r, event, &err);
  if (code != 0) {
    reply_spoilt(event, code, err.text, &text);
  }
  peri_conn_event(conn, event);
  peri_block_unref(text);
  reading_fini(&r);
  return 0;
}

// ---- writing --------------------------------------------------------------------------------

// Types given in JSON hide what is in a Java list, so they are told only where Java does it too.
static bool tells_types(const peri_event *event, const peri_serializer *serializer) {
  return serializer->self_typed || (event->flags & PERI_EV_CALLBACK) != 0;
}

// JoyRPC leaves the class out on a session for self-typed serializations, and the alias when it is
// the session's; JSON keeps both.
static peri_envelope request_envelope(const peri_event *event, const peri_serializer *serializer) {
  peri_envelope envelope = {.iface = event->iface,
                            .alias = event->alias,
                            .method = event->method,
                            .attachments = event->attachments};
  if (tells_types(event, serializer)) {
    envelope.args_type = event->args_type;
  }
  const peri_session *session = event->session;
  if (session == NULL) {
    if (envelope.iface.len == 0 && !serializer->self_typed) {
      envelope.iface = peri_bytes_of(JOY_FUNCTION);
    }
    return envelope;
  }
  peri_bytes iface = {(const uint8_t *)session->iface, session->iface_len};
  peri_bytes alias = {(const uint8_t *)session->alias, session->alias_len};
  envelope.iface = serializer->self_typed ? (peri_bytes){NULL, 0} : iface;
  if (envelope.alias.len == 0 || peri_bytes_equal(envelope.alias, alias)) {
    envelope.alias = serializer->self_typed ? (peri_bytes){NULL, 0} : alias;
  }
  return envelope;
}

static peri_reply_envelope reply_envelope(const peri_event *event) {
  return (peri_reply_envelope){
      .failed = event->code != 0,
      .thrown = event->code != 0 && event->body.len != 0,
      .code = event->code,
      .retry = (event->flags & PERI_EV_NOT_RUN) != 0,
      .type = event->code == 0 ? event->result_type : (peri_bytes){NULL, 0},
      .message = event->message,
  };
}

static const peri_serializer *writer_of(const peri_event *event) {
  const peri_serializer *serializer = peri_serializer_by_id(event->serializer);
  return serializer != NULL && serializer->begin_request != NULL ? serializer : NULL;
}

static int request_begin(peri_conn *conn, const peri_event *event,
                         const peri_serializer *serializer, peri_buf *out) {
  (void)conn;
  if (event->attachments.len != 0 && event->attachments_ser != PERI_SER_MSGPACK) {
    return PERI_EBAD_REQUEST;
  }
  peri_envelope envelope = request_envelope(event, serializer);
  return serializer->begin_request(out, &envelope);
}

int joy_envelope_begin(peri_conn *conn, const peri_event *event, peri_buf *out) {
  const peri_serializer *serializer = writer_of(event);
  if (serializer == NULL) {
    return PERI_EBAD_REQUEST;
  }
  if (event->type == PERI_EV_OPEN) {
    return request_begin(conn, event, serializer, out);
  }
  peri_reply_envelope envelope = reply_envelope(event);
  return serializer->begin_reply(out, &envelope);
}

int joy_envelope_value(peri_conn *conn, const peri_event *event, peri_bytes value, uint8_t in) {
  const peri_serializer *from = peri_serializer_by_id(in);
  const peri_serializer *to = writer_of(event);
  peri_buf *out = peri_conn_out(conn);
  if (from == to && !to->linked) {
    peri_buf_add(out, value.ptr, value.len);
    return 0;
  }
  return from != NULL && to != NULL
             ? peri_serializer_transcode(from, value, to, &conn->limits->value, out, NULL)
             : PERI_EBAD_REQUEST;
}

int joy_envelope_end(const peri_event *event, peri_buf *out, size_t value_at) {
  const peri_serializer *serializer = writer_of(event);
  if (event->type == PERI_EV_OPEN) {
    peri_envelope envelope = request_envelope(event, serializer);
    return serializer->end_request(out, &envelope);
  }
  peri_reply_envelope envelope = reply_envelope(event);
  envelope.value_at = value_at;
  return serializer->end_reply(out, &envelope);
}
