// SPDX-License-Identifier: MIT
// Reads MessagePack without recursion: open lists and maps are frames on a bounded stack. A count
// is believed only as far as the remaining input and the budget of elements could carry it.
#include "base/limit.h"
#include "protocol/serializer/msgpack.h"
#include "protocol/serializer/utf8.h"

typedef struct frame {
  uint32_t left;  // values still to come, keys included
  bool map;
} frame;

typedef struct decoder {
  const uint8_t *at;
  const uint8_t *end;
  const uint8_t *start;
  const peri_sink_ops *ops;
  void *sink;
  peri_err *err;
  uint32_t elements;  // budget left
  uint32_t max_string;
  uint32_t depth;
  uint32_t max_depth;
  frame frames[PERI_VALUE_DEPTH_MAX + 1];
} decoder;

static size_t offset(const decoder *d) {
  return (size_t)(d->at - d->start);
}

static int bad(decoder *d, const char *what) {
  return peri_fail(d->err, PERI_EBAD_REQUEST, "msgpack: %s at offset %zu", what, offset(d));
}

static int truncated(decoder *d) {
  return bad(d, "input ends inside a value");
}

static bool has(const decoder *d, size_t len) {
  return (size_t)(d->end - d->at) >= len;
}

// Reads a big-endian number of `width` bytes behind the tag and moves past both.
static int read_uint(decoder *d, size_t width, uint64_t *value) {
  if (!has(d, 1 + width)) {
    return truncated(d);
  }
  uint64_t v = 0;
  for (size_t i = 1; i <= width; i++) {
    v = v << 8 | d->at[i];
  }
  d->at += 1 + width;
  *value = v;
  return 0;
}

static int take(decoder *d, uint64_t len, const uint8_t **text) {
  if (len > d->max_string) {
    peri_limit_hit(PERI_LIMIT_VALUE_STRING);
    return peri_fail(d->err, PERI_ETOO_BIG,
                     "msgpack: string of %llu bytes at offset %zu is over value_string = %u",
                     (unsigned long long)len, offset(d), d->max_string);
  }
  if (!has(d, (size_t)len)) {
    return truncated(d);
  }
  *text = d->at;
  d->at += len;
  return 0;
}

static int string(decoder *d, uint64_t len, bool key) {
  const uint8_t *text = NULL;
  int rc = take(d, len, &text);
  if (rc != 0) {
    return rc;
  }
  if (!peri_utf8_valid(text, (size_t)len)) {
    d->at = text + peri_utf8_check(text, (size_t)len);
    return bad(d, "string is not UTF-8");
  }
  return key ? d->ops->key(d->sink, (const char *)text, (size_t)len)
             : d->ops->string(d->sink, (const char *)text, (size_t)len);
}

static int binary(decoder *d, uint64_t len) {
  const uint8_t *data = NULL;
  int rc = take(d, len, &data);
  return rc != 0 ? rc : d->ops->bytes(d->sink, data, (size_t)len);
}

static int open_collection(decoder *d, bool map, uint64_t count, bool key) {
  if (key) {
    return bad(d, "a map key must be a scalar");
  }
  if (d->depth == d->max_depth) {
    peri_limit_hit(PERI_LIMIT_VALUE_DEPTH);
    return peri_fail(d->err, PERI_ETOO_BIG, "msgpack: deeper than value_depth = %u at offset %zu",
                     d->max_depth, offset(d));
  }
  if (count > d->elements) {
    peri_limit_hit(PERI_LIMIT_VALUE_ELEMENTS);
    return peri_fail(d->err, PERI_ETOO_BIG,
                     "msgpack: more elements than value_elements at offset %zu", offset(d));
  }
  uint64_t values = map ? count * 2 : count;
  if (!has(d, (size_t)values)) {
    return truncated(d);
  }
  d->elements -= (uint32_t)count;
  d->frames[++d->depth] = (frame){(uint32_t)values, map};
  return map ? d->ops->map_begin(d->sink, (size_t)count)
             : d->ops->list_begin(d->sink, (size_t)count);
}

static int unsigned_value(decoder *d, uint64_t v) {
  return v <= INT64_MAX ? d->ops->integer(d->sink, (int64_t)v) : d->ops->uinteger(d->sink, v);
}

static int signed_value(decoder *d, size_t width, uint64_t v) {
  unsigned shift = (unsigned)(64 - 8 * width);
  return d->ops->integer(d->sink, (int64_t)(v << shift) >> shift);
}

static int float_value(decoder *d, bool wide, uint64_t v) {
  if (wide) {
    double number;
    memcpy(&number, &v, 8);
    return d->ops->number(d->sink, number);
  }
  uint32_t bits = (uint32_t)v;
  float number;
  memcpy(&number, &bits, 4);
  return d->ops->number(d->sink, (double)number);
}

// A tag of 0xC4 and above that carries a number of fixed width.
static int wide_tag(decoder *d, uint8_t tag, bool key) {
  static const uint8_t widths[0x20] = {
      [0x04] = 1, [0x05] = 2, [0x06] = 4, [0x0A] = 4, [0x0B] = 8, [0x0C] = 1, [0x0D] = 2,
      [0x0E] = 4, [0x0F] = 8, [0x10] = 1, [0x11] = 2, [0x12] = 4, [0x13] = 8, [0x19] = 1,
      [0x1A] = 2, [0x1B] = 4, [0x1C] = 2, [0x1D] = 4, [0x1E] = 2, [0x1F] = 4};
  size_t width = widths[tag & 0x1F];
  if (width == 0) {
    return bad(d, tag == 0xC1 ? "byte 0xC1 is never used" : "extension types are not supported");
  }
  uint64_t v = 0;
  int rc = read_uint(d, width, &v);
  if (rc != 0) {
    return rc;
  }
  switch (tag) {
  case 0xC4:
  case 0xC5:
  case 0xC6: return binary(d, v);
  case 0xCA:
  case 0xCB: return float_value(d, tag == 0xCB, v);
  case 0xCC:
  case 0xCD:
  case 0xCE:
  case 0xCF: return unsigned_value(d, v);
  case 0xD9:
  case 0xDA:
  case 0xDB: return string(d, v, key);
  case 0xDC:
  case 0xDD: return open_collection(d, false, v, key);
  case 0xDE:
  case 0xDF: return open_collection(d, true, v, key);
  default: return signed_value(d, width, v);
  }
}

static bool is_string(uint8_t tag) {
  return (tag & 0xE0) == 0xA0 || (tag >= 0xD9 && tag <= 0xDB);
}

static int value(decoder *d, bool key) {
  if (d->at == d->end) {
    return truncated(d);
  }
  uint8_t tag = *d->at;
  if ((tag & 0xE0) == 0xA0) {
    d->at++;
    return string(d, tag & 0x1F, key);
  }
  if (tag < 0x80 || tag >= 0xE0) {
    d->at++;
    return d->ops->integer(d->sink, (int8_t)tag);
  }
  if (tag < 0xA0) {
    d->at++;
    return open_collection(d, tag < 0x90, tag & 0x0F, key);
  }
  if (tag == 0xC0 || tag == 0xC2 || tag == 0xC3) {
    d->at++;
    return tag == 0xC0 ? d->ops->null(d->sink) : d->ops->boolean(d->sink, tag == 0xC3);
  }
  return wide_tag(d, tag, key);
}

// One key or value of the innermost open collection, after closing those that are complete.
static int step(decoder *d) {
  frame *f = &d->frames[d->depth];
  if (f->left == 0) {
    d->depth--;
    return f->map ? d->ops->map_end(d->sink) : d->ops->list_end(d->sink);
  }
  bool key = f->map && (f->left & 1) == 0;
  f->left--;
  if (key && d->at != d->end && !is_string(*d->at)) {
    int rc = d->ops->any_key(d->sink);
    if (rc != 0) {
      return rc;
    }
  }
  return value(d, key);
}

int peri_msgpack_decode(peri_bytes in, const peri_value_limits *limits, peri_sink *sink,
                        size_t *used, peri_err *err) {
  decoder d;
  d.at = d.start = in.ptr != NULL ? in.ptr : (const uint8_t *)"";
  d.end = d.start + in.len;
  d.ops = sink->ops;
  d.sink = sink->self;
  d.err = err;
  d.elements = limits->elements;
  d.max_string = limits->string;
  d.depth = 0;
  d.max_depth = peri_value_depth(limits);
  if (err != NULL) {
    err->code = 0;
  }
  int rc = value(&d, false);
  while (rc == 0 && d.depth > 0) {
    rc = step(&d);
  }
  if (rc == 0 && used == NULL && d.at != d.end) {
    rc = bad(&d, "bytes after the value");
  }
  if (rc == 0 && used != NULL) {
    *used = offset(&d);
  }
  if (rc != 0 && err != NULL && err->code == 0) {
    peri_fail(err, rc, "msgpack: %s at offset %zu", peri_code_text(rc), offset(&d));
  }
  return rc;
}
