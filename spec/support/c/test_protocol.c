// SPDX-License-Identifier: MIT
// A protocol that uses every event of the message model, for the contract suite. One frame:
//   'T' 'P' | u8 type | u8 flags | u32 stream | u32 number | u8 len, name | u32 len, body
// `number` is the code of answers, the credit of WINDOW, the timeout of OPEN; `name` the method of
// OPEN and the message of answers.
#include "test_rig.h"

enum { HEADER = 13, TAIL = 4 };

static peri_match match(const uint8_t *data, size_t len) {
  if (len == 0 || data[0] != 'T') {
    return len == 0 ? PERI_MATCH_NEED : PERI_MATCH_NO;
  }
  return len == 1 ? PERI_MATCH_NEED : data[1] == 'P' ? PERI_MATCH_YES : PERI_MATCH_NO;
}

static int emit(peri_conn *conn, const peri_event *event);

static void report(peri_conn *conn, const uint8_t *at, peri_bytes name, peri_bytes body,
                   peri_block *block) {
  uint32_t number = peri_get_u32(at + 8);
  peri_event event = {.type = at[2],
                      .flags = at[3],
                      .stream = peri_get_u32(at + 4),
                      .body = body,
                      .block = block,
                      .serializer = PERI_SER_RAW};
  if (event.type == PERI_EV_OPEN) {
    event.method = name;
    event.timeout_ms = number;
  } else if (event.type == PERI_EV_WINDOW) {
    event.credit = number;
  } else {
    event.message = name;
    event.code = -(int)(number & 0xFF);
  }
  peri_conn_event(conn, &event);
  if (event.type == PERI_EV_PING && (event.flags & PERI_EV_END) == 0) {
    event.flags |= PERI_EV_END;
    emit(conn, &event);
  }
}

// Returns the size of the frame at `at`, 0 = need more, or PERI_E*.
static ssize_t frame_size(peri_conn *conn, const uint8_t *at, size_t len, size_t *need) {
  *need = 0;
  if (at[0] != 'T' || (len > 1 && at[1] != 'P') ||
      (len > 2 && (at[2] < PERI_EV_OPEN || at[2] > PERI_EV_GOAWAY))) {
    return peri_conn_complain(conn, PERI_EPROTOCOL, "TEST-FRAME", "no frame");
  }
  if (len < HEADER || len < (size_t)HEADER + at[12] + TAIL) {
    return 0;
  }
  size_t body = peri_get_u32(at + HEADER + at[12]);
  if (body > conn->limits->frame) {
    return peri_conn_complain(conn, PERI_ETOO_BIG, "TEST-FRAME", "%zu bytes", body);
  }
  size_t size = (size_t)HEADER + at[12] + TAIL + body;
  *need = size <= len ? 0 : size;
  return size <= len ? (ssize_t)size : 0;
}

static ssize_t feed(peri_conn *conn, peri_block *block, const uint8_t *data, size_t len,
                    size_t *need) {
  size_t used = 0;
  while (used < len && !conn->closing) {
    const uint8_t *at = data + used;
    ssize_t size = frame_size(conn, at, len - used, need);
    if (size <= 0) {
      return size < 0 ? size : (ssize_t)used;
    }
    peri_bytes name = {at + HEADER, at[12]};
    peri_bytes body = {at + HEADER + name.len + TAIL, (size_t)size - HEADER - name.len - TAIL};
    report(conn, at, name, body, block);
    used += (size_t)size;
  }
  return (ssize_t)used;
}

static int begin(peri_conn *conn, const peri_event *event, peri_mark *mark) {
  bool open = event->type == PERI_EV_OPEN;
  peri_bytes name = open ? event->method : event->message;
  uint32_t number = open                            ? event->timeout_ms
                    : event->type == PERI_EV_WINDOW ? event->credit
                                                    : (uint32_t)-event->code;
  if (name.len > UINT8_MAX) {
    return PERI_EBAD_REQUEST;
  }
  peri_buf *out = peri_conn_out(conn);
  uint8_t *at = peri_buf_reserve(out, HEADER + name.len + TAIL);
  memcpy(at, "TP", 2);
  at[2] = event->type;
  at[3] = event->flags;
  peri_put_u32(at + 4, (uint32_t)event->stream);
  peri_put_u32(at + 8, number);
  at[12] = (uint8_t)name.len;
  if (name.len != 0) {
    memcpy(at + HEADER, name.ptr, name.len);
  }
  mark->start = out->len;
  out->len += HEADER + name.len + TAIL;
  mark->body = out->len;
  return 0;
}

static int end(peri_conn *conn, const peri_event *event, const peri_mark *mark) {
  peri_buf *out = peri_conn_out(conn);
  (void)event;
  if (out->len - mark->body > conn->limits->frame) {
    out->len = mark->start;
    return PERI_ETOO_BIG;
  }
  peri_put_u32(out->data + mark->body - TAIL, (uint32_t)(out->len - mark->body));
  peri_channel_touch(conn->channel);
  return 0;
}

static void undo(peri_conn *conn, const peri_mark *mark) {
  peri_conn_out(conn)->len = mark->start;
}

static int emit(peri_conn *conn, const peri_event *event) {
  peri_mark mark;
  int code = begin(conn, event, &mark);
  if (code == 0) {
    peri_buf_add(peri_conn_out(conn), event->body.ptr, event->body.len);
    code = end(conn, event, &mark);
  }
  return code;
}

static void drain(peri_conn *conn) {
  peri_event event = {.type = PERI_EV_GOAWAY, .stream = 77};
  emit(conn, &event);
}

const peri_protocol peri_test_protocol = {
    .name = "test",
    .abilities =
        PERI_CAN_ONEWAY | PERI_CAN_STREAM | PERI_CAN_CANCEL | PERI_CAN_CALLBACK | PERI_CAN_GOAWAY,
    .match_max = 2,
    .match = match,
    .feed = feed,
    .begin = begin,
    .end = end,
    .abort = undo,
    .emit = emit,
    .drain = drain,
};
