// SPDX-License-Identifier: MIT
// Reads MessagePack without recursion: open lists and maps are frames on a bounded stack. A count
// is believed only as far as the remaining input and the budget of elements could carry it.
//
// All of it is inlined where it is used, once per kind of sink: where `ops` is a constant, its members
// are called directly, which is worth a third of the time a small value takes.
#pragma once
#include "base/hot.h"
#include "base/limit.h"
#include "protocol/serializer/msgpack.h"
#include "protocol/serializer/utf8.h"

typedef struct peri_msgpack_frame {
  uint32_t left;  // values still to come, keys included
  bool map;
} peri_msgpack_frame;

typedef struct peri_msgpack_reader {
  const uint8_t *at;
  const uint8_t *end;
  const uint8_t *start;
  peri_err *err;
  uint32_t elements;  // budget left
  uint32_t max_string;
  uint32_t depth;
  uint32_t max_depth;
  peri_msgpack_frame frames[PERI_VALUE_DEPTH_MAX + 1];  // [0] holds the value
} peri_msgpack_reader;

// What is wrong at an offset (msgpack_decode.c); each returns its code. They take numbers, so that
// the reader's address goes nowhere and its fields stay in registers.
PERI_COLD int peri_msgpack_bad(peri_err *err, size_t offset, const char *what);
PERI_COLD int peri_msgpack_truncated(peri_err *err, size_t offset);
PERI_COLD int peri_msgpack_too_long(peri_err *err, size_t offset, uint64_t len, uint32_t max);
PERI_COLD int peri_msgpack_not_utf8(peri_err *err, size_t offset, peri_bytes text);
PERI_COLD int peri_msgpack_too_deep(peri_err *err, size_t offset, uint32_t max);
PERI_COLD int peri_msgpack_too_many(peri_err *err, size_t offset);
// Whoever failed says why: a sink's code without a text gets one.
PERI_COLD int peri_msgpack_failed(peri_err *err, size_t offset, int code);

static inline size_t peri_msgpack_offset(const peri_msgpack_reader *r) {
  return (size_t)(r->at - r->start);
}

static inline bool peri_msgpack_has(const peri_msgpack_reader *r, size_t len) {
  return (size_t)(r->end - r->at) >= len;
}

static PERI_INLINE int peri_msgpack_take(peri_msgpack_reader *r, uint64_t len,
                                         const uint8_t **text) {
  if (len > r->max_string) {
    return peri_msgpack_too_long(r->err, peri_msgpack_offset(r), len, r->max_string);
  }
  if (!peri_msgpack_has(r, (size_t)len)) {
    return peri_msgpack_truncated(r->err, peri_msgpack_offset(r));
  }
  *text = r->at;
  r->at += len;
  return 0;
}

static PERI_INLINE int peri_msgpack_string(peri_msgpack_reader *r, const peri_sink_ops *ops,
                                           void *sink, uint64_t len, bool key) {
  const uint8_t *text = NULL;
  int rc = peri_msgpack_take(r, len, &text);
  if (rc != 0) {
    return rc;
  }
  if (!peri_utf8_valid(text, (size_t)len)) {
    return peri_msgpack_not_utf8(r->err, (size_t)(text - r->start),
                                 (peri_bytes){text, (size_t)len});
  }
  return key ? ops->key(sink, (const char *)text, (size_t)len)
             : ops->string(sink, (const char *)text, (size_t)len);
}

static PERI_INLINE int peri_msgpack_binary(peri_msgpack_reader *r, const peri_sink_ops *ops,
                                           void *sink, uint64_t len) {
  const uint8_t *data = NULL;
  int rc = peri_msgpack_take(r, len, &data);
  return rc != 0 ? rc : ops->bytes(sink, data, (size_t)len);
}

static PERI_INLINE int peri_msgpack_open(peri_msgpack_reader *r, const peri_sink_ops *ops,
                                         void *sink, bool map, uint64_t count, bool key) {
  if (key) {
    return peri_msgpack_bad(r->err, peri_msgpack_offset(r), "a map key must be a scalar");
  }
  if (r->depth == r->max_depth) {
    return peri_msgpack_too_deep(r->err, peri_msgpack_offset(r), r->max_depth);
  }
  if (count > r->elements) {
    return peri_msgpack_too_many(r->err, peri_msgpack_offset(r));
  }
  uint64_t values = map ? count * 2 : count;
  if (!peri_msgpack_has(r, (size_t)values)) {
    return peri_msgpack_truncated(r->err, peri_msgpack_offset(r));
  }
  r->elements -= (uint32_t)count;
  r->frames[++r->depth] = (peri_msgpack_frame){(uint32_t)values, map};
  return map ? ops->map_begin(sink, (size_t)count) : ops->list_begin(sink, (size_t)count);
}

static PERI_INLINE int peri_msgpack_float(const peri_sink_ops *ops, void *sink, bool wide,
                                          uint64_t v) {
  if (wide) {
    double number;
    memcpy(&number, &v, 8);
    return ops->number(sink, number);
  }
  uint32_t bits = (uint32_t)v;
  float number;
  memcpy(&number, &bits, 4);
  return ops->number(sink, (double)number);
}

// Reads a big-endian number of `width` bytes behind the tag and moves past both.
static PERI_INLINE int peri_msgpack_uint(peri_msgpack_reader *r, size_t width, uint64_t *value) {
  if (peri_msgpack_has(r, 9)) {
    *value = peri_get_u64(r->at + 1) >> (64 - 8 * width);
  } else if (!peri_msgpack_has(r, 1 + width)) {
    return peri_msgpack_truncated(r->err, peri_msgpack_offset(r));
  } else {
    uint64_t v = 0;
    for (size_t i = 1; i <= width; i++) {
      v = v << 8 | r->at[i];
    }
    *value = v;
  }
  r->at += 1 + width;
  return 0;
}

// A tag of 0xC4 and above that carries a number of fixed width.
static PERI_INLINE int peri_msgpack_wide(peri_msgpack_reader *r, const peri_sink_ops *ops,
                                         void *sink, uint8_t tag, bool key) {
  static const uint8_t widths[0x20] = {
      [0x04] = 1, [0x05] = 2, [0x06] = 4, [0x0A] = 4, [0x0B] = 8, [0x0C] = 1, [0x0D] = 2,
      [0x0E] = 4, [0x0F] = 8, [0x10] = 1, [0x11] = 2, [0x12] = 4, [0x13] = 8, [0x19] = 1,
      [0x1A] = 2, [0x1B] = 4, [0x1C] = 2, [0x1D] = 4, [0x1E] = 2, [0x1F] = 4};
  size_t width = widths[tag & 0x1F];
  if (width == 0) {
    return peri_msgpack_bad(r->err, peri_msgpack_offset(r),
                            tag == 0xC1 ? "byte 0xC1 is never used"
                                        : "extension types are not supported");
  }
  uint64_t v = 0;
  int rc = peri_msgpack_uint(r, width, &v);
  if (rc != 0) {
    return rc;
  }
  switch (tag) {
  case 0xC4:
  case 0xC5:
  case 0xC6: return peri_msgpack_binary(r, ops, sink, v);
  case 0xCA:
  case 0xCB: return peri_msgpack_float(ops, sink, tag == 0xCB, v);
  case 0xCC:
  case 0xCD:
  case 0xCE:
  case 0xCF: return v <= INT64_MAX ? ops->integer(sink, (int64_t)v) : ops->uinteger(sink, v);
  case 0xD9:
  case 0xDA:
  case 0xDB: return peri_msgpack_string(r, ops, sink, v, key);
  case 0xDC:
  case 0xDD:
  case 0xDE:
  case 0xDF: return peri_msgpack_open(r, ops, sink, tag >= 0xDE, v, key);
  default: break;
  }
  unsigned shift = (unsigned)(64 - 8 * width);
  return ops->integer(sink, (int64_t)(v << shift) >> shift);
}

static PERI_INLINE int peri_msgpack_value(peri_msgpack_reader *r, const peri_sink_ops *ops,
                                          void *sink, bool key) {
  uint8_t tag = *r->at;
  if ((tag & 0xE0) == 0xA0) {
    r->at++;
    return peri_msgpack_string(r, ops, sink, tag & 0x1F, key);
  }
  if (tag < 0x80 || tag >= 0xE0) {
    r->at++;
    return ops->integer(sink, (int8_t)tag);
  }
  if (tag < 0xA0) {
    r->at++;
    return peri_msgpack_open(r, ops, sink, tag < 0x90, tag & 0x0F, key);
  }
  if (tag == 0xC0 || tag == 0xC2 || tag == 0xC3) {
    r->at++;
    return tag == 0xC0 ? ops->null(sink) : ops->boolean(sink, tag == 0xC3);
  }
  return peri_msgpack_wide(r, ops, sink, tag, key);
}

// One key or value of the innermost open collection.
static PERI_INLINE int peri_msgpack_step(peri_msgpack_reader *r, const peri_sink_ops *ops,
                                         void *sink, bool map) {
  if (r->at == r->end) {
    return peri_msgpack_truncated(r->err, peri_msgpack_offset(r));
  }
  bool key = map && (r->frames[r->depth].left & 1) == 0;
  uint8_t tag = *r->at;
  r->frames[r->depth].left--;
  if (key && (tag & 0xE0) != 0xA0 && (tag < 0xD9 || tag > 0xDB)) {
    int rc = ops->any_key(sink);
    if (rc != 0) {
      return rc;
    }
  }
  return peri_msgpack_value(r, ops, sink, key);
}

// As peri_serializer.decode; `ops` are those of `sink`.
static PERI_INLINE int peri_msgpack_read(peri_bytes in, const peri_value_limits *limits,
                                         const peri_sink_ops *ops, void *sink, size_t *used,
                                         peri_err *err) {
  peri_msgpack_reader r;
  r.at = r.start = in.ptr != NULL ? in.ptr : (const uint8_t *)"";
  r.end = r.start + in.len;
  r.err = err;
  r.elements = limits->elements;
  r.max_string = limits->string;
  r.depth = 0;
  r.max_depth = peri_value_depth(limits);
  r.frames[0] = (peri_msgpack_frame){1, false};
  if (err != NULL) {
    err->code = 0;
  }
  int rc = 0;
  while (rc == 0) {
    const peri_msgpack_frame *f = &r.frames[r.depth];
    if (f->left != 0) {
      rc = peri_msgpack_step(&r, ops, sink, f->map);
    } else if (r.depth == 0) {
      break;
    } else {
      r.depth--;
      rc = f->map ? ops->map_end(sink) : ops->list_end(sink);
    }
  }
  if (rc == 0 && used == NULL && r.at != r.end) {
    rc = peri_msgpack_bad(err, peri_msgpack_offset(&r), "bytes after the value");
  }
  if (rc == 0 && used != NULL) {
    *used = peri_msgpack_offset(&r);
  }
  return __builtin_expect(rc == 0, 1) ? 0 : peri_msgpack_failed(err, peri_msgpack_offset(&r), rc);
}
