// SPDX-License-Identifier: MIT
// Protostuff: values, and JoyRPC's envelopes, whose slices lie in the input or the scratch. What
// decodes is written again, with a class declared whose fields are of every kind.
#include "codec_fuzz.h"
#include "protocol/classes.h"
#include "protocol/serializer/builtin.h"

static void declare(void) {
  static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
  static const char *const types[] = {"int",
                                      "java.lang.String",
                                      "demo.E",
                                      "java.util.List<demo.E>",
                                      "java.util.Map<java.lang.String, demo.E>",
                                      "java.lang.String[]",
                                      "demo.C",
                                      "java.util.List<demo.C>",
                                      "int[][]",
                                      "java.util.EnumMap<demo.E, byte[][][]>"};
  peri_bytes fields[10];
  peri_bytes texts[10];
  for (int i = 0; i < 10; i++) {
    fields[i] = peri_bytes_of(names[i]);
    texts[i] = peri_bytes_of(types[i]);
  }
  peri_class_declare(peri_bytes_of("demo.C"), 10, fields, texts, NULL);
  peri_class_declare(peri_bytes_of("demo.E"), 2, fields, NULL, NULL);
}

static void value(peri_bytes in) {
  peri_value_limits limits = fuzz_limits();
  peri_buf out = {0};
  peri_err err = {0};
  peri_serializer_transcode(&peri_serializer_protostuff, in, &peri_serializer_msgpack, &limits,
                            &out, &err);
  peri_serializer_transcode(&peri_serializer_protostuff, in, &peri_serializer_hessian2, &limits,
                            &out, &err);
  out.len = 0;
  if (peri_serializer_transcode(&peri_serializer_protostuff, in, &peri_serializer_protostuff,
                                &limits, &out, &err) != 0) {
    peri_check(out.len == 0);
  }
  peri_buf_fini(&out);
}

static void request(peri_bytes in) {
  peri_value_limits limits = fuzz_limits();
  peri_buf scratch = {0};
  peri_envelope e;
  if (peri_serializer_protostuff.read_request(in, &limits, &scratch, &e, NULL) == 0) {
    peri_bytes all[] = {e.iface, e.alias, e.method, e.args, e.attachments};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
      fuzz_check_place(all[i], in, &scratch);
    }
    value(e.args);
  }
  peri_buf_fini(&scratch);
}

static void reply(peri_bytes in) {
  peri_value_limits limits = fuzz_limits();
  peri_buf scratch = {0};
  peri_reply_envelope e;
  if (peri_serializer_protostuff.read_reply(in, &limits, &scratch, &e, NULL) == 0) {
    fuzz_check_place(e.type, in, &scratch);
    fuzz_check_place(e.message, in, &scratch);
    fuzz_check_place(e.result, in, &scratch);
    value(e.result);
  }
  peri_buf_fini(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static bool declared;
  if (!declared) {
    declare();
    declared = true;
  }
  value((peri_bytes){data, size});
  request((peri_bytes){data, size});
  reply((peri_bytes){data, size});
  return 0;
}
