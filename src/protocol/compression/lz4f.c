// SPDX-License-Identifier: MIT
// LZ4 frames of blocks of 64 KiB.
#include <lz4frame.h>

#include "protocol/compression/builtin.h"

static int compress(peri_bytes in, peri_buf *out) {
  LZ4F_preferences_t how = {
      .frameInfo = {.blockSizeID = LZ4F_max64KB, .blockMode = LZ4F_blockIndependent}};
  size_t bound = LZ4F_compressFrameBound(in.len, &how);
  size_t written = LZ4F_compressFrame(peri_buf_reserve(out, bound), bound, in.ptr, in.len, &how);
  if (LZ4F_isError(written)) {
    return PERI_EINTERNAL;
  }
  out->len += written;
  return 0;
}

// One piece into the room there is; at the limit into one spare byte, which only finds out whether
// the frame ends there.
static int piece(LZ4F_dctx *context, peri_bytes *in, size_t start, size_t max, peri_buf *out) {
  uint8_t spare;
  size_t room = peri_compression_room(out, start, max);
  size_t written = room == 0 ? 1 : room;
  size_t read = in->len;
  size_t left = LZ4F_decompress(context, room == 0 ? &spare : out->data + out->len, &written,
                                in->ptr, &read, NULL);
  if (LZ4F_isError(left)) {
    return PERI_EBAD_REQUEST;
  }
  if (room == 0 && written != 0) {
    return PERI_ETOO_BIG;
  }
  out->len += written;
  *in = (peri_bytes){in->ptr + read, in->len - read};
  if (left == 0) {
    return in->len == 0 ? 0 : PERI_EBAD_REQUEST;
  }
  return written != 0 || read != 0 ? PERI_AGAIN : PERI_EBAD_REQUEST;
}

static int decompress(peri_bytes in, size_t max, peri_buf *out) {
  LZ4F_dctx *context = NULL;
  if (in.len == 0) {
    return PERI_EBAD_REQUEST;
  }
  if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION))) {
    return PERI_ENO_MEMORY;
  }
  size_t start = out->len;
  int rc;
  do {
    rc = piece(context, &in, start, max, out);
  } while (rc == PERI_AGAIN);
  LZ4F_freeDecompressionContext(context);
  if (rc != 0) {
    out->len = start;
  }
  return rc;
}

const peri_compression peri_compression_lz4f = {
    .name = "lz4f", .id = PERI_COMP_LZ4F, .compress = compress, .decompress = decompress};
