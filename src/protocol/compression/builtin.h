// SPDX-License-Identifier: MIT
// The compressions that are always there, and what they share.
#pragma once
#include "protocol/compression.h"

extern const peri_compression peri_compression_lz4;
extern const peri_compression peri_compression_snappy;
extern const peri_compression peri_compression_zlib;
extern const peri_compression peri_compression_gzip;
extern const peri_compression peri_compression_zstd;
extern const peri_compression peri_compression_lzma;
extern const peri_compression peri_compression_lz4f;
extern const peri_compression peri_compression_snappyf;

// Makes room for the next piece of a plain text of unknown size: as much again as there is (at
// least a few KiB), never more than `max` bytes behind `start` in total. Returns the room, 0 at the
// limit.
size_t peri_compression_room(peri_buf *out, size_t start, size_t max);
