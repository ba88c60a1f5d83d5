// SPDX-License-Identifier: MIT
// What is done with a peri_buf, a growable byte buffer with one owner, and with peri_bytes, which are
// borrowed. Both are part of the public header. Not thread-safe.
#pragma once
#include <stdint.h>
#include <stddef.h>
#include <string.h>

#include "perilune.h"

void peri_buf_fini(peri_buf *buf);
// Makes room for `extra` more bytes (may move `data`). Aborts when out of memory.
void peri_buf_grow(peri_buf *buf, size_t extra);

static inline uint8_t *peri_buf_reserve(peri_buf *buf, size_t extra) {
  if (buf->cap - buf->len < extra) {
    peri_buf_grow(buf, extra);
  }
  return buf->data + buf->len;
}

static inline void peri_buf_add(peri_buf *buf, const void *bytes, size_t len) {
  if (len != 0) {
    memcpy(peri_buf_reserve(buf, len), bytes, len);
    buf->len += len;
  }
}

static inline void peri_buf_add_u8(peri_buf *buf, uint8_t value) {
  *peri_buf_reserve(buf, 1) = value;
  buf->len++;
}

static inline peri_bytes peri_bytes_of(const char *text) {
  return (peri_bytes){(const uint8_t *)text, strlen(text)};
}

static inline int peri_bytes_equal(peri_bytes a, peri_bytes b) {
  return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

// Big-endian stores and loads; the pointer needs no alignment.
static inline void peri_put_u16(uint8_t *at, uint16_t v) {
  v = __builtin_bswap16(v);
  memcpy(at, &v, 2);
}
static inline void peri_put_u32(uint8_t *at, uint32_t v) {
  v = __builtin_bswap32(v);
  memcpy(at, &v, 4);
}
static inline void peri_put_u64(uint8_t *at, uint64_t v) {
  v = __builtin_bswap64(v);
  memcpy(at, &v, 8);
}
static inline uint16_t peri_get_u16(const uint8_t *at) {
  uint16_t v;
  memcpy(&v, at, 2);
  return __builtin_bswap16(v);
}
static inline uint32_t peri_get_u32(const uint8_t *at) {
  uint32_t v;
  memcpy(&v, at, 4);
  return __builtin_bswap32(v);
}
static inline uint64_t peri_get_u64(const uint8_t *at) {
  uint64_t v;
  memcpy(&v, at, 8);
  return __builtin_bswap64(v);
}
