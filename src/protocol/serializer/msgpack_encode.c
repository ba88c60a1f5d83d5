// SPDX-License-Identifier: MIT
// Writes MessagePack in the shortest form of each value. A list or map of unknown count starts with
// a one-byte header that is widened when the end shows more than fifteen entries.
#include "protocol/serializer/msgpack.h"
#include "protocol/serializer/utf8.h"

typedef struct frame {
  size_t head;       // offset of the header in `out`
  uint32_t count;    // values written so far (keys too)
  uint32_t promise;  // values announced, or UNKNOWN
  bool map;
} frame;

#define UNKNOWN UINT32_MAX

typedef struct encoder {
  peri_buf *out;
  peri_err *err;
  uint32_t depth;
  uint32_t max_depth;
  frame frames[PERI_VALUE_DEPTH_MAX + 1];  // [0] is the root: a list of exactly one value
} encoder;

_Static_assert(sizeof(encoder) <= PERI_ENCODER_SIZE, "encoder state must fit");

static void put(encoder *e, const void *bytes, size_t len) {
  peri_buf_add(e->out, bytes, len);
  e->frames[e->depth].count++;
}

static inline void put_head(encoder *e, uint8_t tag, uint64_t value, size_t width) {
  uint8_t *at = peri_buf_reserve(e->out, 9);
  at[0] = tag;
  if (width != 0) {  // one store of eight bytes, of which `width` count
    peri_put_u64(at + 1, value << (64 - 8 * width));
  }
  e->out->len += 1 + width;
}

static inline int put_scalar(encoder *e, uint8_t tag, uint64_t value, size_t width) {
  put_head(e, tag, value, width);
  e->frames[e->depth].count++;
  return 0;
}

static int on_null(void *sink) {
  return put_scalar(sink, 0xC0, 0, 0);
}

static int on_boolean(void *sink, bool value) {
  return put_scalar(sink, value ? 0xC3 : 0xC2, 0, 0);
}

static int on_uinteger(void *sink, uint64_t value) {
  if (value < 0x80) {
    return put_scalar(sink, (uint8_t)value, 0, 0);
  }
  if (value <= UINT8_MAX) {
    return put_scalar(sink, 0xCC, value, 1);
  }
  if (value <= UINT16_MAX) {
    return put_scalar(sink, 0xCD, value, 2);
  }
  return value <= UINT32_MAX ? put_scalar(sink, 0xCE, value, 4) : put_scalar(sink, 0xCF, value, 8);
}

static int on_integer(void *sink, int64_t value) {
  uint64_t bits = (uint64_t)value;
  if (value >= 0) {
    return on_uinteger(sink, bits);
  }
  if (value >= -32) {
    return put_scalar(sink, (uint8_t)bits, 0, 0);
  }
  if (value >= INT8_MIN) {
    return put_scalar(sink, 0xD0, bits, 1);
  }
  if (value >= INT16_MIN) {
    return put_scalar(sink, 0xD1, bits, 2);
  }
  return value >= INT32_MIN ? put_scalar(sink, 0xD2, bits, 4) : put_scalar(sink, 0xD3, bits, 8);
}

static int on_number(void *sink, double value) {
  float narrow = (float)value;
  if ((double)narrow == value) {
    uint32_t bits;
    memcpy(&bits, &narrow, 4);
    return put_scalar(sink, 0xCA, bits, 4);
  }
  uint64_t bits;
  memcpy(&bits, &value, 8);
  return put_scalar(sink, 0xCB, bits, 8);
}

static int on_string(void *sink, const char *text, size_t len) {
  encoder *e = sink;
  if (!peri_utf8_valid((const uint8_t *)text, len)) {
    return peri_fail(e->err, PERI_EBAD_REQUEST,
                     "string is not UTF-8; wrap binary data in perilune.bytes");
  }
  if (len < 32) {
    uint8_t *at = peri_buf_reserve(e->out, 32);
    at[0] = (uint8_t)(0xA0 | len);
    memcpy(at + 1, text, len);
    e->out->len += 1 + len;
    e->frames[e->depth].count++;
    return 0;
  }
  if (len <= UINT8_MAX) {
    put_head(e, 0xD9, len, 1);
  } else if (len <= UINT16_MAX) {
    put_head(e, 0xDA, len, 2);
  } else if (len <= UINT32_MAX) {
    put_head(e, 0xDB, len, 4);
  } else {
    return peri_fail(e->err, PERI_ETOO_BIG, "string of %zu bytes is beyond MessagePack", len);
  }
  put(e, text, len);
  return 0;
}

static int on_bytes(void *sink, const uint8_t *data, size_t len) {
  encoder *e = sink;
  if (len <= UINT8_MAX) {
    put_head(e, 0xC4, len, 1);
  } else if (len <= UINT16_MAX) {
    put_head(e, 0xC5, len, 2);
  } else if (len <= UINT32_MAX) {
    put_head(e, 0xC6, len, 4);
  } else {
    return peri_fail(e->err, PERI_ETOO_BIG, "%zu bytes are beyond MessagePack", len);
  }
  put(e, data, len);
  return 0;
}

// Writes the header of a list (base 0x90/0xDC) or map (0x80/0xDE).
static void collection_head(encoder *e, bool map, uint32_t count) {
  if (count < 16) {
    put_head(e, (uint8_t)((map ? 0x80 : 0x90) | count), 0, 0);
  } else if (count <= UINT16_MAX) {
    put_head(e, map ? 0xDE : 0xDC, count, 2);
  } else {
    put_head(e, map ? 0xDF : 0xDD, count, 4);
  }
}

static int begin(encoder *e, bool map, size_t count) {
  if (e->depth == e->max_depth) {
    return peri_fail(e->err, PERI_ETOO_BIG, "nested deeper than %u", e->max_depth);
  }
  if (count != PERI_COUNT_UNKNOWN && count >= UNKNOWN / 2) {
    return peri_fail(e->err, PERI_ETOO_BIG, "%zu elements are beyond MessagePack", count);
  }
  frame *outer = &e->frames[e->depth];
  if (outer->map && (outer->count & 1) == 0) {  // what no decoder would take back
    return peri_fail(e->err, PERI_EBAD_REQUEST, "a table cannot be a key in MessagePack");
  }
  outer->count++;
  frame *f = &e->frames[++e->depth];
  f->head = e->out->len;
  f->count = 0;
  f->map = map;
  bool known = count != PERI_COUNT_UNKNOWN;
  f->promise = known ? (uint32_t)count << (map ? 1 : 0) : UNKNOWN;
  collection_head(e, map, known ? (uint32_t)count : 0);
  return 0;
}

static void widen(encoder *e, const frame *f, uint32_t count) {
  size_t extra = count <= UINT16_MAX ? 2 : 4;
  peri_buf_reserve(e->out, extra);
  uint8_t *head = e->out->data + f->head;
  memmove(head + 1 + extra, head + 1, e->out->len - f->head - 1);
  e->out->len += extra;
  if (extra == 2) {
    head[0] = f->map ? 0xDE : 0xDC;
    peri_put_u16(head + 1, (uint16_t)count);
  } else {
    head[0] = f->map ? 0xDF : 0xDD;
    peri_put_u32(head + 1, count);
  }
}

static int end(encoder *e, bool map) {
  frame *f = &e->frames[e->depth];
  if (e->depth == 0 || f->map != map || (f->promise != UNKNOWN && f->promise != f->count) ||
      (map && (f->count & 1) != 0)) {
    return peri_fail(e->err, PERI_EINTERNAL, "msgpack: list or map does not end as it began");
  }
  uint32_t count = map ? f->count / 2 : f->count;
  if (f->promise == UNKNOWN && count < 16) {
    e->out->data[f->head] = (uint8_t)(e->out->data[f->head] | count);
  } else if (f->promise == UNKNOWN) {
    widen(e, f, count);
  }
  e->depth--;
  return 0;
}

static int on_list_begin(void *sink, size_t count) {
  return begin(sink, false, count);
}

static int on_list_end(void *sink) {
  return end(sink, false);
}

static int on_map_begin(void *sink, size_t count) {
  return begin(sink, true, count);
}

static int on_any_key(void *sink) {
  (void)sink;
  return 0;
}

static int on_map_end(void *sink) {
  return end(sink, true);
}

static int on_type(void *sink, const char *name, size_t len) {
  (void)sink;
  (void)name;
  (void)len;
  return 0;
}

static const peri_sink_ops ops = {
    .null = on_null,
    .boolean = on_boolean,
    .integer = on_integer,
    .uinteger = on_uinteger,
    .number = on_number,
    .string = on_string,
    .bytes = on_bytes,
    .list_begin = on_list_begin,
    .list_end = on_list_end,
    .map_begin = on_map_begin,
    .key = on_string,
    .any_key = on_any_key,
    .map_end = on_map_end,
    .type = on_type,
};

void peri_msgpack_encoder_init(void *memory, peri_buf *out, const peri_value_limits *limits,
                               peri_err *err, peri_sink *sink) {
  encoder *e = memory;
  e->out = out;
  e->err = err;
  e->depth = 0;
  e->max_depth = peri_value_depth(limits);
  e->frames[0] = (frame){.promise = 1};
  *sink = (peri_sink){&ops, e};
}

int peri_msgpack_encoder_finish(void *memory) {
  encoder *e = memory;
  if (e->depth != 0 || e->frames[0].count != 1) {
    return peri_fail(e->err, PERI_EINTERNAL, "msgpack: not exactly one value was written");
  }
  return 0;
}
