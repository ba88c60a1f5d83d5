// SPDX-License-Identifier: MIT
// JoyRPC's envelopes in Hessian: every slice lies in the input or the scratch, and what an envelope
// carries is decoded from the whole of it.
#include "codec_fuzz.h"
#include "protocol/serializer/builtin.h"

static void inner(peri_bytes body) {
  peri_value_limits limits = fuzz_limits();
  peri_buf out = {0};
  peri_err err = {0};
  if (body.len != 0) {
    peri_serializer_transcode(&peri_serializer_hessian2, body, &peri_serializer_msgpack, &limits,
                              &out, &err);
  }
  peri_buf_fini(&out);
}

static void request(peri_bytes in) {
  peri_value_limits limits = fuzz_limits();
  peri_buf scratch = {0};
  peri_envelope e;
  if (peri_serializer_hessian2.read_request(in, &limits, &scratch, &e, NULL) == 0) {
    peri_bytes all[] = {e.iface, e.alias, e.method, e.args, e.attachments};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
      fuzz_check_place(all[i], in, &scratch);
    }
    inner(e.args);
  }
  peri_buf_fini(&scratch);
}

static void reply(peri_bytes in) {
  peri_value_limits limits = fuzz_limits();
  peri_buf scratch = {0};
  peri_reply_envelope e;
  if (peri_serializer_hessian2.read_reply(in, &limits, &scratch, &e, NULL) == 0) {
    fuzz_check_place(e.type, in, &scratch);
    fuzz_check_place(e.message, in, &scratch);
    fuzz_check_place(e.result, in, &scratch);
    inner(e.result);
  }
  peri_buf_fini(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  request((peri_bytes){data, size});
  reply((peri_bytes){data, size});
  return 0;
}
