// SPDX-License-Identifier: MIT
// Raw LZ4 blocks without a size in front, as JoyRPC sends them. The plain size is found by walking
// the block's sequences first, so that a bomb costs no memory and honest input one exact
// allocation.
#include <limits.h>
#include <lz4.h>

#include "protocol/compression/builtin.h"

enum { LAST_LITERALS_ONLY = 15, MIN_MATCH = 4 };

static int compress(peri_bytes in, peri_buf *out) {
  if (in.len > LZ4_MAX_INPUT_SIZE) {
    return PERI_ETOO_BIG;
  }
  int bound = LZ4_compressBound((int)in.len);
  uint8_t *to = peri_buf_reserve(out, (size_t)bound);
  int written = LZ4_compress_default((const char *)in.ptr, (char *)to, (int)in.len, bound);
  if (written <= 0) {
    return PERI_EINTERNAL;
  }
  out->len += (size_t)written;
  return 0;
}

// Adds the bytes of 255 and less that continue a length of 15.
static const uint8_t *add_length(const uint8_t *at, const uint8_t *end, uint64_t *length) {
  uint8_t byte = 255;
  while (at < end && byte == 255) {
    byte = *at++;
    *length += byte;
  }
  return byte == 255 ? NULL : at;
}

// The plain size that the block's sequences add up to; UINT64_MAX when they do not parse.
static uint64_t plain_size(peri_bytes in) {
  const uint8_t *at = in.ptr;
  const uint8_t *end = in.ptr + in.len;
  uint64_t total = 0;
  while (at != NULL && at < end) {
    uint8_t token = *at++;
    uint64_t literals = token >> 4;
    at = literals == LAST_LITERALS_ONLY ? add_length(at, end, &literals) : at;
    if (at == NULL || literals > (uint64_t)(end - at)) {
      return UINT64_MAX;
    }
    at += literals;
    total += literals;
    if (at == end) {
      return total;
    }
    if (end - at < 2) {
      return UINT64_MAX;
    }
    at += 2;
    uint64_t match = (token & 15) + (uint64_t)MIN_MATCH;
    at = (token & 15) == 15 ? add_length(at, end, &match) : at;
    total += match;
  }
  return UINT64_MAX;
}

static int decompress(peri_bytes in, size_t max, peri_buf *out) {
  if (in.len == 0 || in.len > INT_MAX) {
    return PERI_EBAD_REQUEST;
  }
  uint64_t size = plain_size(in);
  if (size == UINT64_MAX) {
    return PERI_EBAD_REQUEST;
  }
  if (size > max || size > INT_MAX) {
    return PERI_ETOO_BIG;
  }
  uint8_t *to = peri_buf_reserve(out, (size_t)size + 1);
  int written = LZ4_decompress_safe((const char *)in.ptr, (char *)to, (int)in.len, (int)size);
  if (written < 0 || (uint64_t)written != size) {
    return PERI_EBAD_REQUEST;
  }
  out->len += (size_t)size;
  return 0;
}

const peri_compression peri_compression_lz4 = {
    .name = "lz4", .id = PERI_COMP_LZ4, .compress = compress, .decompress = decompress};
