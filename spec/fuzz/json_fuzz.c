// SPDX-License-Identifier: MIT
#include "codec_fuzz.h"
#include "protocol/serializer/builtin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_round_trip(&peri_serializer_json, (peri_bytes){data, size});
  return 0;
}
