// SPDX-License-Identifier: MIT
// zlib (RFC 1950) and gzip (RFC 1952, one member).
#include <limits.h>
#include <zlib.h>

#include "protocol/compression/builtin.h"

enum { WINDOW_ZLIB = 15, WINDOW_GZIP = 15 + 16, MEMORY = 8, LEVEL = Z_BEST_SPEED };

static int deflate_all(peri_bytes in, peri_buf *out, int window) {
  z_stream z = {0};
  if (in.len > INT_MAX) {
    return PERI_ETOO_BIG;
  }
  if (deflateInit2(&z, LEVEL, Z_DEFLATED, window, MEMORY, Z_DEFAULT_STRATEGY) != Z_OK) {
    return PERI_ENO_MEMORY;
  }
  size_t bound = deflateBound(&z, in.len);
  z.next_in = (Bytef *)(uintptr_t)in.ptr;
  z.avail_in = (uInt)in.len;
  z.next_out = peri_buf_reserve(out, bound);
  z.avail_out = (uInt)bound;
  int rc = deflate(&z, Z_FINISH);
  if (rc == Z_STREAM_END) {
    out->len += z.total_out;
  }
  deflateEnd(&z);
  return rc == Z_STREAM_END ? 0 : PERI_EINTERNAL;
}

// One call of inflate into the room there is; at the limit into one spare byte, which only finds
// out whether the stream ends there.
static int inflate_piece(z_stream *z, size_t start, size_t max, peri_buf *out) {
  Bytef spare;
  size_t room = peri_compression_room(out, start, max);
  uInt given = room == 0 ? 1 : room > UINT_MAX ? UINT_MAX : (uInt)room;
  z->next_out = room == 0 ? &spare : out->data + out->len;
  z->avail_out = given;
  int rc = inflate(z, Z_NO_FLUSH);
  size_t written = given - z->avail_out;
  if (room == 0 && written != 0) {
    return PERI_ETOO_BIG;
  }
  out->len += written;
  if (rc == Z_STREAM_END) {
    return z->avail_in == 0 ? 0 : PERI_EBAD_REQUEST;
  }
  // No error, but nothing left to read either: the stream is cut short.
  return rc == Z_OK && (written != 0 || z->avail_in != 0) ? PERI_AGAIN : PERI_EBAD_REQUEST;
}

static int inflate_all(peri_bytes in, size_t max, peri_buf *out, int window) {
  z_stream z = {0};
  if (in.len > INT_MAX) {
    return PERI_ETOO_BIG;
  }
  z.next_in = (Bytef *)(uintptr_t)in.ptr;
  z.avail_in = (uInt)in.len;
  if (inflateInit2(&z, window) != Z_OK) {
    return PERI_ENO_MEMORY;
  }
  size_t start = out->len;
  int rc;
  do {
    rc = inflate_piece(&z, start, max, out);
  } while (rc == PERI_AGAIN);
  inflateEnd(&z);
  if (rc != 0) {
    out->len = start;
  }
  return rc;
}

static int zlib_compress(peri_bytes in, peri_buf *out) {
  return deflate_all(in, out, WINDOW_ZLIB);
}

static int zlib_decompress(peri_bytes in, size_t max, peri_buf *out) {
  return inflate_all(in, max, out, WINDOW_ZLIB);
}

static int gzip_compress(peri_bytes in, peri_buf *out) {
  return deflate_all(in, out, WINDOW_GZIP);
}

static int gzip_decompress(peri_bytes in, size_t max, peri_buf *out) {
  return inflate_all(in, max, out, WINDOW_GZIP);
}

const peri_compression peri_compression_zlib = {
    .name = "zlib", .id = PERI_COMP_ZLIB, .compress = zlib_compress, .decompress = zlib_decompress};

const peri_compression peri_compression_gzip = {
    .name = "gzip", .id = PERI_COMP_GZIP, .compress = gzip_compress, .decompress = gzip_decompress};
