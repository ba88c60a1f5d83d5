// SPDX-License-Identifier: MIT
// The clear heads of native frames.
//
//   request  u16 head_len | u8 flags | u8 len, method | [4: u16 len, interface, u8 len, alias]
//            | [1: u16 len, attachments] | arguments
//   reply    u16 head_len | u8 flags | u8 status | [2: u16 len, message] | [1: u16 len, attachments]
//            | [8: u16 len, details of the error, MessagePack] | result
//
// head_len counts what follows it. A longer head than we know is allowed: later versions may add
// fields at its end.
#include "base/limit.h"
#include "protocol/joyrpc/joyrpc.h"

enum {
  HAS_ATTACHMENTS = 1,
  ONEWAY = 2,
  HAS_MESSAGE = 2,
  HAS_IFACE = 4,
  NOT_RUN = 4,
  MORE = 8,
  HAS_DETAILS = 8,
};
#define X(...) +1
enum { MESSAGE_MAX = 8192, STATUS_MAX = 0 PERI_CODES(X) };
#undef X

// Text with a length field of `width` bytes; NULL when it does not fit before `end`.
static const uint8_t *text_read(const uint8_t *at, const uint8_t *end, int width,
                                peri_bytes *text) {
  if (end - at < width) {
    return NULL;
  }
  size_t len = width == 1 ? *at : peri_get_u16(at);
  at += width;
  if ((size_t)(end - at) < len) {
    return NULL;
  }
  *text = (peri_bytes){at, len};
  return at + len;
}

// Splits `body` at head_len; NULL when the head does not fit or is over the limit.
static const uint8_t *head_split(peri_bytes body, size_t limit, peri_event *event) {
  size_t len = body.len >= 4 ? peri_get_u16(body.ptr) : 0;
  if (len > limit) {
    peri_limit_hit(PERI_LIMIT_HEAD_SIZE);
    return NULL;
  }
  if (len < 2 || len > body.len - 2) {
    return NULL;
  }
  event->body = (peri_bytes){body.ptr + 2 + len, body.len - 2 - len};
  return body.ptr + 2 + len;
}

bool joy_request_head_read(peri_bytes body, size_t limit, peri_event *event) {
  const uint8_t *end = head_split(body, limit, event);
  if (end == NULL) {
    return false;
  }
  const uint8_t *at = body.ptr + 3;
  uint8_t flags = body.ptr[2];
  at = text_read(at, end, 1, &event->method);
  if (at != NULL && (flags & HAS_IFACE) != 0) {
    at = text_read(at, end, 2, &event->iface);
    at = at != NULL ? text_read(at, end, 1, &event->alias) : NULL;
  }
  if (at != NULL && (flags & HAS_ATTACHMENTS) != 0) {
    at = text_read(at, end, 2, &event->attachments);
    event->attachments_ser = PERI_SER_MSGPACK;
  }
  event->flags |= (uint8_t)(((flags & ONEWAY) != 0 ? PERI_EV_ONEWAY : 0) |
                            ((flags & MORE) != 0 ? 0 : PERI_EV_END));
  return at != NULL && event->method.len != 0;
}

// An error has no result: its details take that place.
static const uint8_t *details_read(const uint8_t *at, const uint8_t *end, peri_event *event) {
  peri_bytes details;
  at = text_read(at, end, 2, &details);
  if (at != NULL && event->code != 0) {
    event->body = details;
    event->serializer = PERI_SER_MSGPACK;
    event->compression = PERI_COMP_NONE;
  }
  return at;
}

bool joy_reply_head_read(peri_bytes body, size_t limit, peri_event *event) {
  const uint8_t *end = head_split(body, limit, event);
  if (end == NULL) {
    return false;
  }
  const uint8_t *at = body.ptr + 4;
  uint8_t flags = body.ptr[2];
  // A status of a later version is an error that we have no name for.
  event->code = body.ptr[3] <= STATUS_MAX ? -(int)body.ptr[3] : PERI_EUNKNOWN;
  if ((flags & HAS_MESSAGE) != 0) {
    at = text_read(at, end, 2, &event->message);
  }
  if (at != NULL && (flags & HAS_ATTACHMENTS) != 0) {
    at = text_read(at, end, 2, &event->attachments);
    event->attachments_ser = PERI_SER_MSGPACK;
  }
  if (at != NULL && (flags & HAS_DETAILS) != 0) {
    at = details_read(at, end, event);
  }
  event->flags |= (flags & NOT_RUN) != 0 ? PERI_EV_NOT_RUN : 0;
  return at != NULL;
}

static bool names_iface(const peri_event *event) {
  return event->session == NULL && event->iface.len != 0;
}

ssize_t joy_request_head_size(const peri_event *event) {
  size_t size = 4 + event->method.len;
  if (event->method.len == 0 || event->method.len > UINT8_MAX) {
    return PERI_EBAD_REQUEST;
  }
  if (names_iface(event)) {
    if (event->alias.len > UINT8_MAX) {
      return PERI_EBAD_REQUEST;
    }
    size += 3 + event->iface.len + event->alias.len;
  }
  if (event->attachments.len != 0) {
    size += 2 + event->attachments.len;
  }
  return size - 2 <= UINT16_MAX ? (ssize_t)size : PERI_ETOO_BIG;
}

// Long error texts are cut, at a character, rather than refused.
static size_t message_len(const peri_event *event) {
  size_t len = event->message.len;
  if (len > MESSAGE_MAX) {
    len = MESSAGE_MAX;
    while (len > 0 && (event->message.ptr[len] & 0xC0) == 0x80) {
      len--;
    }
  }
  return len;
}

static size_t reply_size(const peri_event *event) {
  size_t size = 4;
  if (event->message.len != 0) {
    size += 2 + message_len(event);
  }
  if (event->attachments.len != 0) {
    size += 2 + event->attachments.len;
  }
  return size;
}

// Details that do not fit are left out: code and message are what counts.
static size_t details_len(const peri_event *event) {
  size_t len = event->code != 0 ? event->body.len : 0;
  return len <= PERI_DETAILS_MAX && reply_size(event) + len <= UINT16_MAX ? len : 0;
}

ssize_t joy_reply_head_size(const peri_event *event) {
  size_t size = reply_size(event);
  size_t details = details_len(event);
  size += details != 0 ? 2 + details : 0;
  return size - 2 <= UINT16_MAX ? (ssize_t)size : PERI_ETOO_BIG;
}

static uint8_t *text_put(uint8_t *at, int width, const uint8_t *text, size_t len) {
  if (width == 1) {
    *at = (uint8_t)len;
  } else {
    peri_put_u16(at, (uint16_t)len);
  }
  if (len != 0) {
    memcpy(at + width, text, len);
  }
  return at + width + len;
}

uint8_t *joy_request_head_put(uint8_t *at, const peri_event *event, size_t size) {
  bool named = names_iface(event);
  peri_put_u16(at, (uint16_t)(size - 2));
  at[2] = (uint8_t)((event->attachments.len != 0 ? HAS_ATTACHMENTS : 0) |
                    ((event->flags & PERI_EV_ONEWAY) != 0 ? ONEWAY : 0) | (named ? HAS_IFACE : 0) |
                    ((event->flags & PERI_EV_END) != 0 ? 0 : MORE));
  at = text_put(at + 3, 1, event->method.ptr, event->method.len);
  if (named) {
    at = text_put(at, 2, event->iface.ptr, event->iface.len);
    at = text_put(at, 1, event->alias.ptr, event->alias.len);
  }
  if (event->attachments.len != 0) {
    at = text_put(at, 2, event->attachments.ptr, event->attachments.len);
  }
  return at;
}

static uint8_t status_of(int code) {
  return code <= 0 && code >= -STATUS_MAX ? (uint8_t)-code : (uint8_t)-PERI_EUNKNOWN;
}

uint8_t *joy_reply_head_put(uint8_t *at, const peri_event *event, size_t size) {
  size_t details = details_len(event);
  peri_put_u16(at, (uint16_t)(size - 2));
  at[2] = (uint8_t)((event->attachments.len != 0 ? HAS_ATTACHMENTS : 0) |
                    (event->message.len != 0 ? HAS_MESSAGE : 0) | (details != 0 ? HAS_DETAILS : 0) |
                    ((event->flags & PERI_EV_NOT_RUN) != 0 ? NOT_RUN : 0));
  at[3] = status_of(event->code);
  at += 4;
  if (event->message.len != 0) {
    at = text_put(at, 2, event->message.ptr, message_len(event));
  }
  if (event->attachments.len != 0) {
    at = text_put(at, 2, event->attachments.ptr, event->attachments.len);
  }
  if (details != 0) {
    at = text_put(at, 2, event->body.ptr, details);
  }
  return at;
}
