// SPDX-License-Identifier: MIT
#include "protocol/dubbo/dubbo.h"

#include <stdio.h>

static bool is(peri_bytes name, const char *text) {
  return peri_bytes_equal(name, peri_bytes_of(text));
}

static bool inside(const peri_hessian_reader *r, peri_bytes text) {
  return text.len == 0 || (text.ptr >= r->start && text.ptr < r->end);
}

static uint32_t digits(peri_bytes text) {
  uint64_t value = 0;
  for (size_t i = 0; i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++) {
    value = value * 10 + (text.ptr[i] - '0');
    value = value > INT32_MAX ? INT32_MAX : value;
  }
  return (uint32_t)value;
}

static const char callback_prefix[] = "sys_callback_arg-";

static void note_callback(peri_bytes key, peri_bytes value, dubbo_attachments *found) {
  enum { PREFIX = sizeof callback_prefix - 1 };
  uint32_t n = found->callback_count;
  if (key.len == PREFIX || key.ptr[PREFIX] < '0' || key.ptr[PREFIX] > '9') {
    return;
  }
  if (n < DUBBO_CALLBACKS_MAX) {
    found->callbacks[n].argument = digits((peri_bytes){key.ptr + PREFIX, key.len - PREFIX});
    found->callbacks[n].id = value;
  }
  found->callback_count++;
}

static void note(peri_bytes key, peri_bytes value, dubbo_attachments *found) {
  if (is(key, "group")) {
    found->group = value;
  } else if (is(key, "version")) {
    found->version = value;
  } else if (is(key, "interface")) {
    found->iface = value;
  } else if (is(key, "timeout")) {
    found->timeout_ms = digits(value);
  } else if (is(key, "generic")) {
    found->generic = value;
  } else if (is(key, "callback.service.instid")) {
    found->instance = value;
  } else if (key.len >= sizeof callback_prefix - 1 &&
             memcmp(key.ptr, callback_prefix, sizeof callback_prefix - 1) == 0) {
    note_callback(key, value, found);
  }
}

static int value_read(peri_hessian_reader *r, peri_bytes key, dubbo_attachments *found) {
  peri_hessian_kind kind = peri_hessian_peek(r);
  if (kind == PERI_HESSIAN_STRING) {
    peri_bytes value;
    int rc = peri_hessian_read_string(r, &value);
    if (rc == 0 && inside(r, value)) {
      note(key, value, found);
    }
    return rc;
  }
  if (kind == PERI_HESSIAN_INT && is(key, "timeout")) {
    int32_t value = 0;
    int rc = peri_hessian_read_int(r, &value);
    found->timeout_ms = value > 0 ? (uint32_t)value : 0;
    return rc;
  }
  found->plain = found->plain && kind < PERI_HESSIAN_LIST;
  return peri_hessian_skip(r);
}

int dubbo_attachments_read(peri_hessian_reader *r, dubbo_attachments *found) {
  *found = (dubbo_attachments){.plain = r->at != r->end && *r->at == 'H'};
  if (r->at == r->end || peri_hessian_peek(r) == PERI_HESSIAN_NULL) {
    return r->at == r->end ? 0 : peri_hessian_skip(r);
  }
  int rc = peri_hessian_read_map(r, NULL);
  while (rc == 0 && !peri_hessian_read_end(r)) {
    peri_bytes key = {NULL, 0};
    if (peri_hessian_peek(r) == PERI_HESSIAN_STRING) {
      rc = peri_hessian_read_string(r, &key);
      key = inside(r, key) ? key : (peri_bytes){NULL, 0};
    } else {
      found->plain = false;
      rc = peri_hessian_skip(r);
    }
    rc = rc != 0 ? rc : value_read(r, key, found);
    found->count++;
  }
  return rc;
}

int dubbo_attachments_convert(peri_hessian_reader *r, const peri_value_limits *limits,
                              peri_buf *out) {
  const peri_serializer *msgpack = peri_serializer_by_id(PERI_SER_MSGPACK);
  peri_encoder encoder;
  peri_sink sink;
  msgpack->encoder_init(&encoder, out, limits, r->err, &sink);
  int rc = peri_hessian_read(r, &sink);
  return rc != 0 ? rc : msgpack->encoder_finish(&encoder);
}

static int add(peri_conn *conn, const peri_event *event, peri_encoder *encoder) {
  const peri_serializer *from = peri_serializer_by_id(event->attachments_ser);
  peri_sink sink;
  peri_hessian_writer_keep_open(encoder);
  peri_hessian_writer_init(encoder, peri_conn_out(conn), &conn->limits->value, PERI_HESSIAN_DUBBO,
                           NULL, &sink);
  return from != NULL ? from->decode(event->attachments, &conn->limits->value, &sink, NULL, NULL)
                      : PERI_EBAD_REQUEST;
}

// "17:2,18:3": function 17 is argument 2.
static int add_callbacks(peri_bytes names, peri_encoder *encoder) {
  int rc = 0;
  while (names.len != 0 && rc == 0) {
    const uint8_t *colon = memchr(names.ptr, ':', names.len);
    if (colon == NULL) {
      return PERI_EBAD_REQUEST;
    }
    const uint8_t *end = memchr(colon, ',', (size_t)(names.ptr + names.len - colon));
    end = end != NULL ? end : names.ptr + names.len;
    uint32_t argument = digits((peri_bytes){colon + 1, (size_t)(end - colon) - 1});
    char key[40];
    int len = snprintf(key, sizeof key, "%s%u", callback_prefix, argument - 1);
    rc = peri_hessian_write_string(encoder, (peri_bytes){(const uint8_t *)key, (size_t)len});
    rc = rc != 0 ? rc
                 : peri_hessian_write_string(encoder,
                                             (peri_bytes){names.ptr, (size_t)(colon - names.ptr)});
    size_t used = (size_t)(end - names.ptr);
    used += used < names.len;
    names = (peri_bytes){names.ptr + used, names.len - used};
  }
  return rc;
}

int dubbo_attachments_write(peri_conn *conn, const peri_event *event, const peri_bytes *fixed,
                            size_t pairs) {
  peri_encoder encoder;
  peri_sink sink;
  peri_hessian_writer_init(&encoder, peri_conn_out(conn), &conn->limits->value, PERI_HESSIAN_DUBBO,
                           NULL, &sink);
  int rc = peri_hessian_write_map(&encoder);
  if (rc == 0 && event->attachments.len != 0) {
    rc = add(conn, event, &encoder);
  }
  for (size_t i = 0; i < pairs && rc == 0; i++) {
    if (fixed[2 * i + 1].len != 0) {
      rc = peri_hessian_write_string(&encoder, fixed[2 * i]);
      rc = rc != 0 ? rc : peri_hessian_write_string(&encoder, fixed[2 * i + 1]);
    }
  }
  if (rc == 0 && event->type == PERI_EV_OPEN && (event->flags & PERI_EV_CALLBACK) == 0) {
    rc = add_callbacks(event->callback, &encoder);
  }
  return rc != 0 ? rc : peri_hessian_write_end(&encoder);
}

peri_block *dubbo_join(peri_event *event) {
  peri_bytes *const parts[] = {&event->body, &event->attachments, &event->message};
  enum { PARTS = sizeof parts / sizeof *parts };
  size_t len = 0;
  for (size_t i = 0; i < PARTS; i++) {
    len += parts[i]->len;
  }
  peri_block *block = peri_block_new((uint32_t)len);
  for (size_t i = 0; i < PARTS && block != NULL; i++) {
    if (parts[i]->len != 0) {
      memcpy(block->data + block->used, parts[i]->ptr, parts[i]->len);
    }
    parts[i]->ptr = block->data + block->used;
    block->used += (uint32_t)parts[i]->len;
  }
  return block;
}
