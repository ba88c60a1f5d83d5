// SPDX-License-Identifier: MIT
// The old `.lzma` format of one stream, of unknown size with an end mark, as JoyRPC writes it.
#include <lzma.h>

#include "protocol/compression/builtin.h"

// A dictionary is allocated as large as the header wants it; Java's default is 8 MiB.
enum { PRESET = 1, DECODER_MEMORY = 24 << 20 };

static int compress(peri_bytes in, peri_buf *out) {
  lzma_options_lzma options;
  lzma_stream z = LZMA_STREAM_INIT;
  if (lzma_lzma_preset(&options, PRESET) || lzma_alone_encoder(&z, &options) != LZMA_OK) {
    lzma_end(&z);
    return PERI_ENO_MEMORY;
  }
  size_t start = out->len;
  z.next_in = in.ptr;
  z.avail_in = in.len;
  lzma_ret rc;
  do {
    size_t room = in.len / 2 + 256;
    z.next_out = peri_buf_reserve(out, room);
    z.avail_out = room;
    rc = lzma_code(&z, LZMA_FINISH);
    out->len += room - z.avail_out;
  } while (rc == LZMA_OK);
  lzma_end(&z);
  if (rc != LZMA_STREAM_END) {
    out->len = start;
    return PERI_EINTERNAL;
  }
  return 0;
}

// One piece into the room there is; at the limit into one spare byte, which only finds out whether
// the stream ends there.
static int piece(lzma_stream *z, size_t start, size_t max, peri_buf *out) {
  uint8_t spare;
  size_t room = peri_compression_room(out, start, max);
  size_t given = room == 0 ? 1 : room;
  z->next_out = room == 0 ? &spare : out->data + out->len;
  z->avail_out = given;
  lzma_ret rc = lzma_code(z, LZMA_RUN);
  size_t written = given - z->avail_out;
  if (room == 0 && written != 0) {
    return PERI_ETOO_BIG;
  }
  out->len += written;
  if (rc == LZMA_STREAM_END) {
    return z->avail_in == 0 ? 0 : PERI_EBAD_REQUEST;
  }
  return rc == LZMA_OK && (written != 0 || z->avail_in != 0) ? PERI_AGAIN : PERI_EBAD_REQUEST;
}

static int decompress(peri_bytes in, size_t max, peri_buf *out) {
  lzma_stream z = LZMA_STREAM_INIT;
  if (lzma_alone_decoder(&z, DECODER_MEMORY) != LZMA_OK) {
    lzma_end(&z);
    return PERI_ENO_MEMORY;
  }
  z.next_in = in.ptr;
  z.avail_in = in.len;
  size_t start = out->len;
  int rc;
  do {
    rc = piece(&z, start, max, out);
  } while (rc == PERI_AGAIN);
  lzma_end(&z);
  if (rc != 0) {
    out->len = start;
  }
  return rc;
}

const peri_compression peri_compression_lzma = {
    .name = "lzma", .id = PERI_COMP_LZMA, .compress = compress, .decompress = decompress};
