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
  PERI_COMP_SNAPPYF = 22,
  PERI_COMP_LZ4F = 23,
  PERI_COMP_ZSTD = 110,  // private: only between two Perilune peers
};

#define PERI_COMPRESS_MIN 2048u  // bytes; smaller bodies are sent as they are

// Built-in ones and those of plugins are the same; the contract stands in perilune.h.
typedef peri_compression_ops peri_compression;

// Adds to this process' registry; keeps the pointer for good. Any thread.
// PERI_EALREADY_EXISTS for a name or id that is there, PERI_ELIMITED when the table is full.
int peri_compression_add(const peri_compression *compression);
const peri_compression *peri_compression_by_name(const char *name);
const peri_compression *peri_compression_by_id(uint8_t id);
const peri_compression *peri_compression_at(size_t n);
