// SPDX-License-Identifier: MIT
// Brotli as a compression of Perilune: smaller than zstd on small texts, slower to make.
#include <brotli/decode.h>
#include <brotli/encode.h>
#include <perilune.h>

enum {
  QUALITY = 5,       // of 11: where size still falls faster than speed
  STEP = 16 * 1024,  // room that is made at once while the size of the plain text is unknown
};

static const peri_plugin_host *host;

static int init(const peri_plugin_host *given, peri_err *err) {
  (void)err;
  host = given;
  return 0;
}

static int compress(peri_bytes in, peri_buf *out) {
  size_t size = BrotliEncoderMaxCompressedSize(in.len);
  uint8_t *room = peri_room(host, out, size);
  if (size == 0 || !BrotliEncoderCompress(QUALITY, BROTLI_DEFAULT_WINDOW, BROTLI_MODE_GENERIC,
                                          in.len, in.ptr, &size, room)) {
    return PERI_PLUGIN_INTERNAL;
  }
  out->len += size;
  return 0;
}

// Decodes until the end of the input, a limit, or damage. Room is made step by step, so that what a
// bomb costs is what it has yielded so far. One byte more than `max` may be asked for: whether it
// comes is how a text of exactly `max` bytes is told from a longer one.
static int inflate(BrotliDecoderState *state, peri_bytes in, size_t max, peri_buf *out) {
  const size_t start = out->len;
  for (;;) {
    size_t left = max - (out->len - start);
    size_t size = left < STEP ? left : STEP;
    uint8_t spare, *next = size != 0 ? peri_room(host, out, size) : &spare;
    size_t room = size != 0 ? size : 1;
    BrotliDecoderResult result =
        BrotliDecoderDecompressStream(state, &in.len, &in.ptr, &room, &next, NULL);
    if (size == 0 && room == 0) {
      return PERI_PLUGIN_TOO_BIG;
    }
    out->len += size != 0 ? size - room : 0;
    if (result == BROTLI_DECODER_RESULT_SUCCESS) {
      return in.len == 0 ? 0 : PERI_PLUGIN_BAD_REQUEST;
    } else if (result != BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT) {
      return PERI_PLUGIN_BAD_REQUEST;
    }
  }
}

static int decompress(peri_bytes in, size_t max, peri_buf *out) {
  BrotliDecoderState *state = BrotliDecoderCreateInstance(NULL, NULL, NULL);
  if (state == NULL) {
    return PERI_PLUGIN_NO_MEMORY;
  }
  size_t start = out->len;
  int rc = inflate(state, in, max, out);
  BrotliDecoderDestroyInstance(state);
  out->len = rc == 0 ? out->len : start;
  return rc;
}

static const peri_compression_ops brotli = {
    .name = "brotli",
    .id = 112,
    .compress = compress,
    .decompress = decompress,
};

PERI_EXPORT const peri_plugin perilune_plugin = {
    PERI_PLUGIN_HEAD,   .point = "compression", .name = "brotli",
    .version = "1.0.0", .init = init,           .compression = &brotli,
};
