// SPDX-License-Identifier: MIT
// Zstandard, one frame. Contexts are expensive to make, so each thread keeps one of either kind;
// a decompression context that had to grow for a large window is given back.
#include <pthread.h>
#include <stdlib.h>
#include <zstd.h>

#include "base/mem.h"
#include "protocol/compression/builtin.h"

enum { LEVEL = 1, WINDOW_LOG_MAX = 23, KEEP = 1 << 20 };

typedef struct contexts {
  ZSTD_CCtx *compress;
  ZSTD_DCtx *decompress;
} contexts;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;

static void thread_ends(void *memory) {
  contexts *c = memory;
  ZSTD_freeCCtx(c->compress);
  ZSTD_freeDCtx(c->decompress);
  free(c);
}

static void make_key(void) {
  peri_check(pthread_key_create(&key, thread_ends) == 0);
}

static contexts *mine(void) {
  pthread_once(&once, make_key);
  contexts *c = pthread_getspecific(key);
  if (c == NULL) {
    c = peri_calloc(1, sizeof *c);
    peri_check(pthread_setspecific(key, c) == 0);
  }
  return c;
}

static int compress(peri_bytes in, peri_buf *out) {
  contexts *c = mine();
  if (c->compress == NULL && (c->compress = ZSTD_createCCtx()) == NULL) {
    return PERI_ENO_MEMORY;
  }
  size_t bound = ZSTD_compressBound(in.len);
  if (ZSTD_isError(bound)) {
    return PERI_ETOO_BIG;
  }
  uint8_t *to = peri_buf_reserve(out, bound);
  size_t written = ZSTD_compressCCtx(c->compress, to, bound, in.ptr, in.len, LEVEL);
  if (ZSTD_isError(written)) {
    return PERI_EINTERNAL;
  }
  out->len += written;
  return 0;
}

// One piece into the room there is; at the limit into one spare byte, which only finds out whether
// the frame ends there.
static int piece(ZSTD_DCtx *context, ZSTD_inBuffer *from, size_t start, size_t max, peri_buf *out) {
  uint8_t spare;
  size_t room = peri_compression_room(out, start, max);
  ZSTD_outBuffer to = {room == 0 ? &spare : out->data + out->len, room == 0 ? 1 : room, 0};
  size_t before = from->pos;
  size_t rc = ZSTD_decompressStream(context, &to, from);
  if (ZSTD_isError(rc)) {
    return PERI_EBAD_REQUEST;
  }
  if (room == 0 && to.pos != 0) {
    return PERI_ETOO_BIG;
  }
  out->len += to.pos;
  if (rc == 0) {
    return from->pos == from->size ? 0 : PERI_EBAD_REQUEST;
  }
  return to.pos != 0 || from->pos != before ? PERI_AGAIN : PERI_EBAD_REQUEST;
}

static int decompress(peri_bytes in, size_t max, peri_buf *out) {
  contexts *c = mine();
  if (c->decompress == NULL) {
    c->decompress = ZSTD_createDCtx();
    if (c->decompress == NULL) {
      return PERI_ENO_MEMORY;
    }
    ZSTD_DCtx_setParameter(c->decompress, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
  }
  unsigned long long size = ZSTD_getFrameContentSize(in.ptr, in.len);
  if (size != ZSTD_CONTENTSIZE_ERROR && size != ZSTD_CONTENTSIZE_UNKNOWN && size > max) {
    return PERI_ETOO_BIG;
  }
  size_t start = out->len;
  ZSTD_inBuffer from = {in.ptr, in.len, 0};
  int rc;
  do {
    rc = piece(c->decompress, &from, start, max, out);
  } while (rc == PERI_AGAIN);
  ZSTD_DCtx_reset(c->decompress, ZSTD_reset_session_only);
  if (ZSTD_sizeof_DCtx(c->decompress) > KEEP) {
    ZSTD_freeDCtx(c->decompress);
    c->decompress = NULL;
  }
  if (rc != 0) {
    out->len = start;
  }
  return rc;
}

const peri_compression peri_compression_zstd = {
    .name = "zstd", .id = PERI_COMP_ZSTD, .compress = compress, .decompress = decompress};
