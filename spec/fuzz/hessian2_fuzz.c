// SPDX-License-Identifier: MIT
// One value through the serializer, then the bytes as a body that a protocol reads part by part.
#include "codec_fuzz.h"
#include "protocol/serializer/builtin.h"
#include "protocol/serializer/hessian2.h"

// Reads as a protocol would: heads where there are some, whole values otherwise.
static int read_part(peri_hessian_reader *r, unsigned depth) {
  peri_hessian_class object;
  size_t count;
  int32_t narrow;
  peri_bytes text;
  int rc;
  switch (depth < 4 ? peri_hessian_peek(r) : PERI_HESSIAN_BAD) {
  case PERI_HESSIAN_OBJECT:
    rc = peri_hessian_read_object(r, &object);
    for (uint32_t i = 0; i < object.fields && rc == 0; i++) {
      peri_bytes name = peri_hessian_field(r, &object, i);
      peri_check(name.len == 0 || name.ptr != NULL);
      rc = read_part(r, depth + 1);
    }
    return rc;
  case PERI_HESSIAN_LIST:
    rc = peri_hessian_read_list(r, &text, &count);
    for (size_t i = 0;
         rc == 0 && (count == PERI_COUNT_UNKNOWN ? !peri_hessian_read_end(r) : i < count); i++) {
      rc = read_part(r, depth + 1);
    }
    return rc;
  case PERI_HESSIAN_MAP:
    rc = peri_hessian_read_map(r, &text);
    while (rc == 0 && !peri_hessian_read_end(r)) {
      rc = read_part(r, depth + 1);
    }
    return rc;
  case PERI_HESSIAN_STRING: return peri_hessian_read_string(r, &text);
  case PERI_HESSIAN_INT: return peri_hessian_read_int(r, &narrow);
  default: return peri_hessian_skip(r);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  peri_value_limits limits = fuzz_limits();
  peri_bytes in = {data, size};
  peri_err err = {0};
  peri_hessian_reader reader;
  fuzz_round_trip(&peri_serializer_hessian2, in);
  peri_hessian_reader_init(&reader, in, &limits, &err);
  while (reader.at != reader.end && read_part(&reader, 0) == 0) {
  }
  peri_check(reader.at >= reader.start && reader.at <= reader.end);
  return 0;
}
