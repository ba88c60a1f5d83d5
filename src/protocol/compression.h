// SPDX-License-Identifier: MIT
// Compression of bodies. Whether a body is compressed is decided by size (`PERI_COMPRESS_MIN`,
// JoyRPC's adaptive threshold) and by whether it gets smaller; the header tells which was done.
#pragma once
#include "base/err.h"
#include "base/buf.h"

enum {
  PERI_COMP_NONE = 0,
  PERI_COMP_SNAPPY = 2,
  PERI_COMP_LZ4 = 3,
  PERI_COMP_ZLIB = 4,
  PERI_COMP_LZMA = 5,
  PERI_COMP_GZIP = 6,
  PERI_COMP_ZSTD = 110,  // private: only between two Perilune peers
};

#define PERI_COMPRESS_MIN 2048u  // bytes; smaller bodies are sent as they are

typedef struct peri_compression {
  const char *name;
  uint8_t id;
  // Appends the compressed form of `in` to `out`. Returns 0 or PERI_E*; on failure `out` is cut
  // back to its length before the call.
  int (*compress)(peri_bytes in, peri_buf *out);
  // Appends the plain form. Never writes more than `max` bytes and never allocates for more than it
  // is about to write: a bomb is PERI_ETOO_BIG, damaged input PERI_EBAD_REQUEST.
  int (*decompress)(peri_bytes in, size_t max, peri_buf *out);
} peri_compression;

int peri_compression_add(const peri_compression *compression);
const peri_compression *peri_compression_by_name(const char *name);
const peri_compression *peri_compression_by_id(uint8_t id);
const peri_compression *peri_compression_at(size_t n);
