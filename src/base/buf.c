// SPDX-License-Identifier: MIT
#include "base/buf.h"

#include <stdlib.h>

#include "base/mem.h"

void peri_buf_fini(peri_buf *buf) {
  free(buf->data);
  *buf = (peri_buf){0};
}

void peri_buf_grow(peri_buf *buf, size_t extra) {
  size_t cap = buf->cap != 0 ? buf->cap : 256;
  while (cap - buf->len < extra) {
    cap *= 2;
  }
  buf->data = peri_realloc(buf->data, cap);
  buf->cap = cap;
}
