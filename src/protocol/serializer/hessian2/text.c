// SPDX-License-Identifier: MIT
// Strings, counted in UTF-16 units and written as UTF-8 of each unit, and bytes; both possibly in
// chunks. What is one chunk without surrogates, nearly everything, is borrowed as it lies there.
#include "base/limit.h"
#include "protocol/serializer/hessian2/read.h"
#include "protocol/serializer/scratch.h"
#include "protocol/serializer/utf8.h"

typedef struct chunk {
  const uint8_t *data;
  size_t len;       // bytes
  bool last;        // of its string
  bool surrogates;  // it has some
} chunk;

static int too_long(peri_hessian_reader *r) {
  peri_limit_hit(PERI_LIMIT_VALUE_STRING);
  return peri_fail(r->err, PERI_ETOO_BIG,
                   "hessian2: a string at offset %zu is over value_string = %u",
                   (size_t)(r->at - r->start), r->limits.string);
}

// Bytes of the character at `p` and its UTF-16 units; 0 when it is none or not complete.
static size_t character(const uint8_t *p, size_t left, size_t *units) {
  *units = p[0] >= 0xF0 ? 2 : 1;
  size_t len = p[0] < 0x80 ? 1 : p[0] < 0xC0 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
  return len <= left ? len : 0;
}

// Finds the end of `units` UTF-16 units. What they are is checked when the string is whole.
static int scan(peri_hessian_reader *r, const uint8_t *p, size_t units, chunk *c) {
  c->data = p;
  c->surrogates = false;
  while (units > 0) {
    size_t left = (size_t)(r->end - p);
    if (units >= 8 && left >= 8 && peri_utf8_ascii8(p)) {
      p += 8;
      units -= 8;
      continue;
    }
    size_t width;
    size_t len = left == 0 ? 0 : character(p, left, &width);
    if (len == 0 || width > units) {
      r->at = p;
      return left == 0 || len == 0 ? peri_hessian_truncated(r)
                                   : peri_hessian_bad(r, "a string ends inside a character");
    }
    c->surrogates |= p[0] == 0xED && p[1] >= 0xA0;
    p += len;
    units -= width;
  }
  c->len = (size_t)(p - c->data);
  r->at = p;
  return 0;
}

// The count and the length of the head of a chunk of a string (`base` 0) or bytes (0x20).
static int head(peri_hessian_reader *r, size_t *units, size_t *skip, bool *last) {
  uint8_t tag = *r->at;
  size_t left = peri_hessian_left(r);
  *last = tag != 'R' && tag != 'A';
  *skip = tag < 0x30 ? 1 : tag < 0x38 ? 2 : 3;
  if (left < *skip) {
    return peri_hessian_truncated(r);
  }
  if (tag < 0x30) {
    *units = tag & 0x1F & (tag < 0x20 ? 0x1F : 0x0F);
  } else {
    *units = tag < 0x38 ? (size_t)(tag & 3) << 8 | r->at[1] : peri_get_u16(r->at + 1);
  }
  return 0;
}

static int string_chunk(peri_hessian_reader *r, chunk *c) {
  size_t units = 0;
  size_t skip = 0;
  if (r->at == r->end) {
    return peri_hessian_truncated(r);
  }
  if (peri_hessian_kind_of(*r->at) != PERI_HESSIAN_STRING) {
    return peri_hessian_bad(r, "a chunk of a string is expected");
  }
  int rc = head(r, &units, &skip, &c->last);
  if (rc != 0) {
    return rc;
  }
  if (units > peri_hessian_left(r) - skip) {
    return peri_hessian_truncated(r);
  }
  return scan(r, r->at + skip, units, c);
}

// Turns pairs of surrogates, three bytes each, into characters of four.
static size_t join_pairs(uint8_t *text, size_t len) {
  size_t to = 0;
  for (size_t i = 0; i < len;) {
    const uint8_t *p = text + i;
    if (p[0] == 0xED && len - i >= 6 && p[1] >= 0xA0 && p[1] < 0xB0 && p[3] == 0xED &&
        p[4] >= 0xB0) {
      uint32_t high = (uint32_t)(p[1] & 0x0F) << 6 | (p[2] & 0x3F);
      uint32_t low = (uint32_t)(p[4] & 0x0F) << 6 | (p[5] & 0x3F);
      to += peri_utf8_put(text + to, 0x10000 + (high << 10) + low);
      i += 6;
    } else {
      text[to++] = text[i++];
    }
  }
  return to;
}

static int checked(peri_hessian_reader *r, peri_bytes text) {
  return peri_utf8_valid(text.ptr, text.len)
             ? 0
             : peri_hessian_bad(r,
                                "a string before this is not text, or has half a surrogate pair,");
}

static int collect(peri_hessian_reader *r, chunk c, peri_bytes *text) {
  peri_buf *scratch = peri_scratch_get();
  peri_buf_add(scratch, c.data, c.len);
  while (!c.last) {
    int rc = string_chunk(r, &c);
    if (rc != 0) {
      return rc;
    }
    if (c.len > r->limits.string || scratch->len > r->limits.string - c.len) {
      return too_long(r);
    }
    peri_buf_add(scratch, c.data, c.len);
  }
  scratch->len = join_pairs(scratch->data, scratch->len);
  *text = (peri_bytes){scratch->data, scratch->len};
  return checked(r, *text);
}

// As peri_hessian_take_plain, for what has a head of two bytes.
static bool take_longer(peri_hessian_reader *r, peri_bytes *text) {
  if (peri_hessian_left(r) < 2 || (*r->at & 0xFC) != 0x30) {
    return false;
  }
  size_t len = (size_t)(r->at[0] & 3) << 8 | r->at[1];
  const uint8_t *p = r->at + 2;
  if (len > (size_t)(r->end - p) || len > r->limits.string || !peri_utf8_is_ascii(p, len)) {
    return false;
  }
  *text = (peri_bytes){p, len};
  r->at = p + len;
  return true;
}

int peri_hessian_take_string(peri_hessian_reader *r, peri_bytes *text) {
  if (peri_hessian_take_plain(r, text) || take_longer(r, text)) {
    return 0;
  }
  chunk c = {0};
  int rc = string_chunk(r, &c);
  if (rc != 0) {
    return rc;
  }
  if (c.len > r->limits.string) {
    return too_long(r);
  }
  if (!c.last || c.surrogates) {
    return collect(r, c, text);
  }
  *text = (peri_bytes){c.data, c.len};
  return checked(r, *text);
}

int peri_hessian_take_name(peri_hessian_reader *r, peri_bytes *name) {
  if (r->at == r->end) {
    return peri_hessian_truncated(r);
  }
  if (peri_hessian_take_plain(r, name)) {
    return 0;
  }
  if (peri_hessian_kind_of(*r->at) != PERI_HESSIAN_STRING) {
    return peri_hessian_bad(r, "a name is expected");
  }
  chunk c = {0};
  int rc = string_chunk(r, &c);
  if (rc == 0 && (!c.last || c.surrogates)) {
    return peri_hessian_bad(r, "a name of several chunks, or with characters beyond U+FFFF,");
  }
  if (rc == 0 && c.len > r->limits.string) {
    return too_long(r);
  }
  *name = (peri_bytes){c.data, c.len};
  return rc != 0 ? rc : checked(r, *name);
}

int peri_hessian_take_bytes(peri_hessian_reader *r, peri_bytes *data) {
  peri_buf *scratch = NULL;
  for (bool last = false; !last;) {
    size_t len = 0;
    size_t skip = 0;
    if (r->at == r->end || peri_hessian_kind_of(*r->at) != PERI_HESSIAN_BYTES) {
      return r->at == r->end ? peri_hessian_truncated(r)
                             : peri_hessian_bad(r, "a chunk of bytes is expected");
    }
    int rc = head(r, &len, &skip, &last);
    if (rc != 0 || peri_hessian_left(r) - skip < len) {
      return rc != 0 ? rc : peri_hessian_truncated(r);
    }
    size_t have = scratch != NULL ? scratch->len : 0;
    if (len > r->limits.string || have > r->limits.string - len) {
      return too_long(r);
    }
    *data = (peri_bytes){r->at + skip, len};
    if (!last || scratch != NULL) {
      scratch = scratch != NULL ? scratch : peri_scratch_get();
      peri_buf_add(scratch, data->ptr, len);
      *data = (peri_bytes){scratch->data, scratch->len};
    }
    r->at += skip + len;
  }
  return 0;
}
