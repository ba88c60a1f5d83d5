// SPDX-License-Identifier: MIT
// Envelopes: every slice lies in the input or the scratch, and what was read can be written and
// read again.
#include "codec_fuzz.h"
#include "protocol/serializer/builtin.h"

static void request(peri_bytes in) {
  const peri_serializer *json = &peri_serializer_json;
  peri_value_limits limits = fuzz_limits();
  peri_buf scratch = {0};
  peri_buf again = {0};
  peri_buf out = {0};
  peri_envelope e;
  peri_envelope f;
  if (json->read_request(in, &limits, &scratch, &e, NULL) == 0) {
    peri_bytes all[] = {e.iface, e.alias, e.method, e.args, e.args_type, e.attachments};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
      fuzz_check_place(all[i], in, &scratch);
    }
    e.args_type = e.attachments = (peri_bytes){NULL, 0};
    peri_check(json->begin_request(&out, &e) == 0);
    peri_buf_add(&out, "[]", 2);
    peri_check(json->end_request(&out, &e) == 0);
    peri_check(json->read_request((peri_bytes){out.data, out.len}, &limits, &again, &f, NULL) == 0);
    peri_check(peri_bytes_equal(e.iface, f.iface) && peri_bytes_equal(e.alias, f.alias) &&
               peri_bytes_equal(e.method, f.method) && f.args.len == 2);
  }
  peri_buf_fini(&scratch);
  peri_buf_fini(&again);
  peri_buf_fini(&out);
}

static void reply(peri_bytes in) {
  const peri_serializer *json = &peri_serializer_json;
  peri_value_limits limits = fuzz_limits();
  peri_buf scratch = {0};
  peri_buf again = {0};
  peri_buf out = {0};
  peri_reply_envelope e;
  peri_reply_envelope f;
  if (json->read_reply(in, &limits, &scratch, &e, NULL) == 0) {
    fuzz_check_place(e.type, in, &scratch);
    fuzz_check_place(e.message, in, &scratch);
    fuzz_check_place(e.result, in, &scratch);
    peri_check(json->begin_reply(&out, &e) == 0);
    if (!e.failed) {
      peri_buf_add(&out, "null", 4);
    }
    peri_check(json->end_reply(&out, &e) == 0);
    peri_check(json->read_reply((peri_bytes){out.data, out.len}, &limits, &again, &f, NULL) == 0);
    peri_check(f.failed == e.failed && (!e.failed || f.code == e.code));
  }
  peri_buf_fini(&scratch);
  peri_buf_fini(&again);
  peri_buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  request((peri_bytes){data, size});
  reply((peri_bytes){data, size});
  return 0;
}
