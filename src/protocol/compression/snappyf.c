// SPDX-License-Identifier: MIT
// Snappy's framing format: an identifier, then chunks of at most 64 KiB plain text, each with the
// masked CRC-32C of it. JoyRPC's writer leaves the checksum 0, so 0 is not verified.
#include <pthread.h>
#include <snappy-c.h>

#include "protocol/compression/builtin.h"

enum {
  CHUNK_PLAIN = 65536,
  HEAD = 4,  // type and length
  CRC = 4,
  TYPE_COMPRESSED = 0x00,
  TYPE_PLAIN = 0x01,
  TYPE_SKIPPED = 0x80,  // this and all above may be left out
  TYPE_IDENTIFIER = 0xff,
};

static const uint8_t identifier[] = {TYPE_IDENTIFIER, 6, 0, 0, 's', 'N', 'a', 'P', 'p', 'Y'};

// Four bytes at a time: tables[n] is the effect of a byte with n more behind it.
static uint32_t tables[4][256];
static pthread_once_t filled = PTHREAD_ONCE_INIT;

static void fill_tables(void) {
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; bit++) {
      crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f63b78u : 0);
    }
    tables[0][byte] = crc;
  }
  for (uint32_t byte = 0; byte < 256; byte++) {
    for (int n = 1; n < 4; n++) {
      uint32_t before = tables[n - 1][byte];
      tables[n][byte] = before >> 8 ^ tables[0][before & 255];
    }
  }
}

static uint32_t masked_crc(peri_bytes plain) {
  uint32_t crc = 0xffffffffu;
  const uint8_t *at = plain.ptr;
  const uint8_t *end = at + plain.len;
  pthread_once(&filled, fill_tables);
  for (; end - at >= 4; at += 4) {
    crc ^= (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
    crc = tables[3][crc & 255] ^ tables[2][crc >> 8 & 255] ^ tables[1][crc >> 16 & 255] ^
          tables[0][crc >> 24];
  }
  for (; at < end; at++) {
    crc = crc >> 8 ^ tables[0][(crc ^ *at) & 255];
  }
  crc = ~crc;
  return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

static void put_le(uint8_t *at, uint32_t value, int bytes) {
  for (int i = 0; i < bytes; i++) {
    at[i] = (uint8_t)(value >> (8 * i));
  }
}

static uint32_t get_le(const uint8_t *at, int bytes) {
  uint32_t value = 0;
  for (int i = 0; i < bytes; i++) {
    value |= (uint32_t)at[i] << (8 * i);
  }
  return value;
}

// A chunk of what compresses, or as it is.
static int put_chunk(peri_bytes plain, peri_buf *out) {
  size_t size = snappy_max_compressed_length(plain.len);
  uint8_t *at = peri_buf_reserve(out, HEAD + CRC + size);
  uint8_t *body = at + HEAD + CRC;
  if (snappy_compress((const char *)plain.ptr, plain.len, (char *)body, &size) != SNAPPY_OK) {
    return PERI_EINTERNAL;
  }
  at[0] = size < plain.len ? TYPE_COMPRESSED : TYPE_PLAIN;
  if (at[0] == TYPE_PLAIN) {
    memcpy(body, plain.ptr, plain.len);
    size = plain.len;
  }
  put_le(at + 1, (uint32_t)size + CRC, 3);
  put_le(at + HEAD, masked_crc(plain), CRC);
  out->len += HEAD + CRC + size;
  return 0;
}

static int compress(peri_bytes in, peri_buf *out) {
  size_t start = out->len;
  peri_buf_add(out, identifier, sizeof identifier);
  int rc = 0;
  for (size_t at = 0; at < in.len && rc == 0; at += CHUNK_PLAIN) {
    size_t left = in.len - at;
    rc = put_chunk((peri_bytes){in.ptr + at, left < CHUNK_PLAIN ? left : CHUNK_PLAIN}, out);
  }
  if (rc != 0) {
    out->len = start;
  }
  return rc;
}

// Appends the plain text of a chunk's body.
static int unpack(uint8_t type, peri_bytes body, size_t room, peri_buf *out) {
  size_t size = body.len;
  if (type == TYPE_COMPRESSED &&
      (body.len == 0 ||
       snappy_uncompressed_length((const char *)body.ptr, body.len, &size) != SNAPPY_OK)) {
    return PERI_EBAD_REQUEST;
  }
  if (size > CHUNK_PLAIN) {
    return PERI_EBAD_REQUEST;
  }
  if (size > room) {
    return PERI_ETOO_BIG;
  }
  uint8_t *to = peri_buf_reserve(out, size + 1);
  if (type == TYPE_PLAIN) {
    memcpy(to, body.ptr, size);
  } else if (snappy_uncompress((const char *)body.ptr, body.len, (char *)to, &size) != SNAPPY_OK) {
    return PERI_EBAD_REQUEST;
  }
  out->len += size;
  return 0;
}

static int chunk(uint8_t type, peri_bytes data, size_t room, peri_buf *out) {
  if (type == TYPE_IDENTIFIER) {
    return data.len == sizeof identifier - HEAD &&
                   memcmp(data.ptr, identifier + HEAD, data.len) == 0
               ? 0
               : PERI_EBAD_REQUEST;
  }
  if (type >= TYPE_SKIPPED) {
    return 0;
  }
  if (type > TYPE_PLAIN || data.len < CRC) {
    return PERI_EBAD_REQUEST;
  }
  size_t before = out->len;
  uint32_t crc = get_le(data.ptr, CRC);
  int rc = unpack(type, (peri_bytes){data.ptr + CRC, data.len - CRC}, room, out);
  bool right =
      rc != 0 || crc == 0 || crc == masked_crc((peri_bytes){out->data + before, out->len - before});
  return right ? rc : PERI_EBAD_REQUEST;
}

static int decompress(peri_bytes in, size_t max, peri_buf *out) {
  size_t start = out->len;
  const uint8_t *at = in.ptr;
  const uint8_t *end = in.ptr + in.len;
  int rc = in.len >= HEAD && at[0] == TYPE_IDENTIFIER ? 0 : PERI_EBAD_REQUEST;
  while (rc == 0 && at < end) {
    size_t left = (size_t)(end - at);
    size_t size = left < HEAD ? 0 : get_le(at + 1, 3);
    if (left < HEAD || size > left - HEAD) {
      rc = PERI_EBAD_REQUEST;
      break;
    }
    rc = chunk(at[0], (peri_bytes){at + HEAD, size}, max - (out->len - start), out);
    at += HEAD + size;
  }
  if (rc != 0) {
    out->len = start;
  }
  return rc;
}

const peri_compression peri_compression_snappyf = {
    .name = "snappyf", .id = PERI_COMP_SNAPPYF, .compress = compress, .decompress = decompress};
