// SPDX-License-Identifier: MIT
// Raw snappy blocks. The block announces its plain size; since a copy element of three bytes yields
// at most 64, an announcement out of proportion is a lie and costs nothing.
#include <snappy-c.h>

#include "protocol/compression/builtin.h"

enum { MOST_PER_BYTE = 22 };

static int compress(peri_bytes in, peri_buf *out) {
  if (in.len > UINT32_MAX) {
    return PERI_ETOO_BIG;
  }
  size_t size = snappy_max_compressed_length(in.len);
  uint8_t *to = peri_buf_reserve(out, size);
  if (snappy_compress((const char *)in.ptr, in.len, (char *)to, &size) != SNAPPY_OK) {
    return PERI_EINTERNAL;
  }
  out->len += size;
  return 0;
}

static int decompress(peri_bytes in, size_t max, peri_buf *out) {
  size_t size;
  if (in.len == 0 || snappy_uncompressed_length((const char *)in.ptr, in.len, &size) != SNAPPY_OK ||
      size / MOST_PER_BYTE > in.len) {
    return PERI_EBAD_REQUEST;
  }
  if (size > max) {
    return PERI_ETOO_BIG;
  }
  uint8_t *to = peri_buf_reserve(out, size + 1);
  if (snappy_uncompress((const char *)in.ptr, in.len, (char *)to, &size) != SNAPPY_OK) {
    return PERI_EBAD_REQUEST;
  }
  out->len += size;
  return 0;
}

const peri_compression peri_compression_snappy = {
    .name = "snappy", .id = PERI_COMP_SNAPPY, .compress = compress, .decompress = decompress};
