// SPDX-License-Identifier: MIT
// MessagePack for any sink, and what is said of input that is wrong.
#include "protocol/serializer/msgpack_read.h"

int peri_msgpack_bad(peri_err *err, size_t offset, const char *what) {
  return peri_fail(err, PERI_EBAD_REQUEST, "msgpack: %s at offset %zu", what, offset);
}

int peri_msgpack_truncated(peri_err *err, size_t offset) {
  return peri_msgpack_bad(err, offset, "input ends inside a value");
}

int peri_msgpack_too_long(peri_err *err, size_t offset, uint64_t len, uint32_t max) {
  peri_limit_hit(PERI_LIMIT_VALUE_STRING);
  return peri_fail(err, PERI_ETOO_BIG,
                   "msgpack: string of %llu bytes at offset %zu is over value_string = %u",
                   (unsigned long long)len, offset, max);
}

int peri_msgpack_not_utf8(peri_err *err, size_t offset, peri_bytes text) {
  return peri_msgpack_bad(err, offset + peri_utf8_check(text.ptr, text.len), "string is not UTF-8");
}

int peri_msgpack_too_deep(peri_err *err, size_t offset, uint32_t max) {
  peri_limit_hit(PERI_LIMIT_VALUE_DEPTH);
  return peri_fail(err, PERI_ETOO_BIG, "msgpack: deeper than value_depth = %u at offset %zu", max,
                   offset);
}

int peri_msgpack_too_many(peri_err *err, size_t offset) {
  peri_limit_hit(PERI_LIMIT_VALUE_ELEMENTS);
  return peri_fail(err, PERI_ETOO_BIG, "msgpack: more elements than value_elements at offset %zu",
                   offset);
}

int peri_msgpack_failed(peri_err *err, size_t offset, int code) {
  if (err == NULL || err->code != 0) {
    return code;
  }
  return peri_fail(err, code, "msgpack: %s at offset %zu", peri_code_text(code), offset);
}

int peri_msgpack_decode(peri_bytes in, const peri_value_limits *limits, peri_sink *sink,
                        size_t *used, peri_err *err) {
  return peri_msgpack_read(in, limits, sink->ops, sink->self, used, err);
}
