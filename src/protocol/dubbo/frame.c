// SPDX-License-Identifier: MIT
#include "base/limit.h"
#include "protocol/dubbo/dubbo.h"

static const uint8_t magic[2] = {0xDA, 0xBB};

static ssize_t too_big(peri_conn *conn, uint32_t length) {
  peri_limit_hit(PERI_LIMIT_FRAME_SIZE);
  return peri_conn_complain(conn, PERI_ETOO_BIG, "DUBBO-TOO-BIG",
                            "a body of %u bytes is over frame_size = %u", length,
                            conn->limits->frame);
}

ssize_t dubbo_frame_decode(peri_conn *conn, const uint8_t *data, size_t len, size_t *need,
                           dubbo_frame *frame) {
  *need = 0;
  if (memcmp(data, magic, len < 2 ? len : 2) != 0) {
    return peri_conn_complain(conn, PERI_EPROTOCOL, "DUBBO-FRAME",
                              "no message begins with %02x %02x", data[0], len > 1 ? data[1] : 0);
  }
  if (len < DUBBO_HEADER) {
    return 0;
  }
  uint32_t length = peri_get_u32(data + 12);
  if (length > conn->limits->frame) {
    return too_big(conn, length);
  }
  size_t size = (size_t)length + DUBBO_HEADER;
  if (size > len) {
    *need = size;
    return 0;
  }
  frame->flag = data[2];
  frame->status = data[3];
  frame->id = peri_get_u64(data + 4);
  frame->body = (peri_bytes){data + DUBBO_HEADER, length};
  return (ssize_t)size;
}

void dubbo_frame_begin(peri_buf *out, uint8_t flag, uint8_t status, uint64_t id) {
  uint8_t *at = peri_buf_reserve(out, DUBBO_HEADER);
  memcpy(at, magic, 2);
  at[2] = (flag & DUBBO_SERIALIZATION) != 0 ? flag : (uint8_t)(flag | DUBBO_HESSIAN2);
  at[3] = status;
  peri_put_u64(at + 4, id);
  peri_put_u32(at + 12, 0);
  out->len += DUBBO_HEADER;
}

int dubbo_frame_seal(peri_conn *conn, size_t start) {
  peri_buf *out = peri_conn_out(conn);
  size_t length = out->len - start - DUBBO_HEADER;
  if (length > conn->limits->frame) {
    peri_limit_hit(PERI_LIMIT_FRAME_SIZE);
    return PERI_ETOO_BIG;
  }
  peri_put_u32(out->data + start + 12, (uint32_t)length);
  conn->frames_out++;
  peri_channel_touch(conn->channel);
  return 0;
}

void dubbo_event_send(peri_conn *conn, uint8_t flag, uint8_t status, uint64_t id,
                      const char *event) {
  peri_buf *out = peri_conn_out(conn);
  size_t start = out->len;
  dubbo_frame_begin(out, flag | DUBBO_EVENT, status, id);
  if (event == NULL) {
    peri_buf_add_u8(out, 'N');
  } else {
    peri_buf_add_u8(out, (uint8_t)strlen(event));
    peri_buf_add(out, event, strlen(event));
  }
  dubbo_frame_seal(conn, start);
}
