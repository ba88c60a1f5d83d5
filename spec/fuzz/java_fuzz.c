// SPDX-License-Identifier: MIT
// The reader of Java's own serialization, which negotiations come in: whatever it accepts is a value.
#include "codec_fuzz.h"
#include "protocol/serializer/builtin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  peri_value_limits limits = fuzz_limits();
  peri_buf out = {0};
  peri_err err = {0};
  int rc = peri_serializer_transcode(&peri_serializer_java, (peri_bytes){data, size},
                                     &peri_serializer_msgpack, &limits, &out, &err);
  peri_check(rc == 0 ? out.len != 0 : err.text[0] != '\0' && out.len == 0);
  peri_buf_fini(&out);
  return 0;
}
