// SPDX-License-Identifier: MIT
// The round trip that the fuzz targets of the serializers share: what decodes encodes again, and
// what was encoded decodes to the same bytes once more.
#pragma once
#include "base/mem.h"
#include "protocol/serializer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline peri_value_limits fuzz_limits(void) {
  return (peri_value_limits){.depth = 32, .elements = 10000, .refs = 100, .string = 65536};
}

// A slice of an envelope lies in the input or in scratch.
static inline void fuzz_check_place(peri_bytes slice, peri_bytes in, const peri_buf *scratch) {
  if (slice.len == 0) {
    return;
  }
  const uint8_t *end = slice.ptr + slice.len;
  bool inside = slice.ptr >= in.ptr && end <= in.ptr + in.len;
  bool unescaped =
      scratch->data != NULL && slice.ptr >= scratch->data && end <= scratch->data + scratch->len;
  peri_check(inside || unescaped);
}

static inline void fuzz_round_trip(const peri_serializer *serializer, peri_bytes in) {
  peri_value_limits limits = fuzz_limits();
  peri_buf once = {0};
  peri_buf twice = {0};
  peri_err err = {0};
  int rc = peri_serializer_transcode(serializer, in, serializer, &limits, &once, &err);
  if (rc == 0) {
    rc = peri_serializer_transcode(serializer, (peri_bytes){once.data, once.len}, serializer,
                                   &limits, &twice, &err);
    peri_check(rc == 0);
    peri_check(once.len == twice.len && memcmp(once.data, twice.data, once.len) == 0);
  } else {
    peri_check(rc < 0 && err.text[0] != '\0' && once.len == 0);
  }
  peri_buf_fini(&once);
  peri_buf_fini(&twice);
}
