// SPDX-License-Identifier: MIT
#include "codec_fuzz.h"
#include "protocol/serializer/builtin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  peri_value_limits limits = fuzz_limits();
  peri_buf json = {0};
  peri_bytes in = {data, size};
  fuzz_round_trip(&peri_serializer_msgpack, in);
  // Into JSON, which counts nothing, and back with counts to patch.
  if (peri_serializer_transcode(&peri_serializer_msgpack, in, &peri_serializer_json, &limits, &json,
                                NULL) == 0) {
    peri_buf back = {0};
    peri_value_limits wide = limits;
    wide.string *= 2;  // base64 is longer than its bytes
    peri_check(peri_serializer_transcode(&peri_serializer_json, (peri_bytes){json.data, json.len},
                                         &peri_serializer_msgpack, &wide, &back, NULL) == 0);
    fuzz_round_trip(&peri_serializer_msgpack, (peri_bytes){back.data, back.len});
    peri_buf_fini(&back);
  }
  peri_buf_fini(&json);
  return 0;
}
