// SPDX-License-Identifier: MIT
#include "protocol/compression/builtin.h"

enum { FIRST = 4096 };

size_t peri_compression_room(peri_buf *out, size_t start, size_t max) {
  size_t done = out->len - start;
  size_t room = done > FIRST ? done : FIRST;
  if (room > max - done) {
    room = max - done;
  }
  if (room != 0) {
    peri_buf_reserve(out, room);
  }
  return room;
}
