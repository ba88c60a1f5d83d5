// SPDX-License-Identifier: MIT
#include "base/limit.h"
#include "protocol/joyrpc/joyrpc.h"

static const uint8_t magic[2] = {JOY_MAGIC >> 8, JOY_MAGIC & 0xff};

// Attributes may sit only in [at, end); false when they do not fill it exactly or are of a type that
// JoyRPC does not have.
static bool attributes_read(const uint8_t *at, const uint8_t *end, unsigned count,
                            joy_frame *frame) {
  static const uint8_t sizes[] = {0, 4, 0, 1, 2};
  for (; count != 0; count--) {
    if (end - at < 2) {
      return false;
    }
    uint8_t key = at[0];
    uint8_t type = at[1];
    at += 2;
    if (type == 2) {
      if (end - at < 2 || end - at - 2 < peri_get_u16(at)) {
        return false;
      }
      peri_bytes text = {at + 2, peri_get_u16(at)};
      frame->callback = key == JOY_KEY_CALLBACK ? text : frame->callback;
      at += 2 + text.len;
    } else if (type == 1 || type == 3 || type == 4) {
      if (end - at < sizes[type]) {
        return false;
      }
      at += sizes[type];
    } else {
      return false;
    }
  }
  return at == end;
}

// The prefix: length and magic. Checked as soon as it is there, so that garbage is not waited for.
static ssize_t prefix_check(peri_conn *conn, const uint8_t *data, size_t len, size_t *need) {
  if (memcmp(data, magic, len < 2 ? len : 2) != 0) {
    return peri_conn_complain(conn, PERI_EPROTOCOL, "JOYRPC-FRAME",
                              "no frame begins with %02x %02x", data[0], len > 1 ? data[1] : 0);
  }
  if (len < 6) {
    *need = 0;
    return 0;
  }
  uint32_t length = peri_get_u32(data + 2);
  if (length < JOY_LENGTH_MIN) {
    return peri_conn_complain(conn, PERI_EPROTOCOL, "JOYRPC-FRAME",
                              "length %u is below the smallest frame", length);
  }
  if (length > conn->limits->frame) {
    peri_limit_hit(PERI_LIMIT_FRAME_SIZE);
    return peri_conn_complain(conn, PERI_ETOO_BIG, "JOYRPC-TOO-BIG",
                              "a frame of %u bytes is over frame_size = %u", length,
                              conn->limits->frame);
  }
  *need = (size_t)length + 2;
  return 0;
}

ssize_t joy_frame_decode(peri_conn *conn, const uint8_t *data, size_t len, size_t *need,
                         joy_frame *frame) {
  size_t size = 0;
  if (len < JOY_HEADER || memcmp(data, magic, 2) != 0 ||
      (size = (size_t)peri_get_u32(data + 2) + 2) > len || size < JOY_HEADER ||
      size - 2 > conn->limits->frame) {
    return prefix_check(conn, data, len, need);
  }
  size_t header = peri_get_u16(data + 6) + 6u;
  frame->type = data[8];
  frame->id = peri_get_u32(data + 9);
  frame->session = peri_get_u32(data + 13);
  frame->serializer = data[17];
  frame->compression = data[18];
  uint32_t timeout = peri_get_u32(data + 19);
  frame->timeout_ms = timeout <= INT32_MAX ? timeout : 0;
  frame->callback = (peri_bytes){NULL, 0};
  if (__builtin_expect(header != JOY_HEADER || data[23] != 0, 0)) {
    if (header < JOY_HEADER || header > size) {
      return peri_conn_complain(conn, PERI_EPROTOCOL, "JOYRPC-FRAME",
                                "headerLength %zu does not fit a frame of %zu bytes", header - 6,
                                size);
    }
    if (!attributes_read(data + JOY_HEADER, data + header, data[23], frame)) {
      return peri_conn_complain(conn, PERI_EPROTOCOL, "JOYRPC-ATTRIBUTE",
                                "%u attributes do not fill headerLength %zu", data[23], header - 6);
    }
  }
  frame->body = (peri_bytes){data + header, size - header};
  return (ssize_t)size;
}

void joy_frame_send(peri_conn *conn, const joy_frame *frame) {
  peri_buf *out = peri_conn_out(conn);
  size_t size = joy_header_size(frame->callback) + frame->body.len;
  uint8_t *end = joy_frame_put(peri_buf_reserve(out, size), frame);
  if (frame->body.len != 0) {
    memcpy(end, frame->body.ptr, frame->body.len);
  }
  out->len += size;
  conn->frames_out++;
  peri_channel_touch(conn->channel);
}

int joy_frame_seal(peri_conn *conn, size_t start, size_t more) {
  peri_buf *out = peri_conn_out(conn);
  size_t length = out->len + more - start - 2;
  if (length > conn->limits->frame) {
    peri_limit_hit(PERI_LIMIT_FRAME_SIZE);
    return PERI_ETOO_BIG;
  }
  peri_put_u32(out->data + start + 2, (uint32_t)length);
  conn->frames_out++;
  peri_channel_touch(conn->channel);
  return 0;
}
