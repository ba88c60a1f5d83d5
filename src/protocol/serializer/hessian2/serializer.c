// SPDX-License-Identifier: MIT
// The serializers made of reader and writer: one value in a body.
#include "protocol/serializer/builtin.h"
#include "protocol/serializer/hessian2/envelope.h"
#include "protocol/serializer/hessian2/write.h"

static void encoder_init_joyrpc(void *encoder, peri_buf *out, const peri_value_limits *limits,
                                peri_err *err, peri_sink *sink) {
  peri_hessian_writer_init(encoder, out, limits, PERI_HESSIAN_JOYRPC, err, sink);
}

static void encoder_init_dubbo(void *encoder, peri_buf *out, const peri_value_limits *limits,
                               peri_err *err, peri_sink *sink) {
  peri_hessian_writer_init(encoder, out, limits, PERI_HESSIAN_DUBBO, err, sink);
}

static int encoder_finish(void *encoder) {
  const hessian_writer *w = encoder;
  if (w->frames[0].count != 1) {
    return peri_fail(w->err, PERI_EINTERNAL, "hessian2: not exactly one value was written");
  }
  return peri_hessian_writer_finish(encoder);
}

static int decode(peri_bytes in, const peri_value_limits *limits, peri_sink *sink, size_t *used,
                  peri_err *err) {
  peri_hessian_reader r;
  peri_hessian_reader_init(&r, in, limits, err);
  int rc = peri_hessian_is_envelope(in) ? peri_hessian_read_inner(&r, sink)
                                        : peri_hessian_read(&r, sink);
  if (rc == 0 && used == NULL && r.at != r.end) {
    rc = peri_fail(err, PERI_EBAD_REQUEST, "hessian2: bytes after the value at offset %zu",
                   (size_t)(r.at - r.start));
  }
  if (rc == 0 && used != NULL) {
    *used = (size_t)(r.at - r.start);
  }
  return rc;
}

const peri_serializer peri_serializer_hessian2 = {
    .name = "hessian2",
    .wire_name = "hessian",
    .provider = "",
    .id = PERI_SER_HESSIAN,
    .linked = true,
    .self_typed = true,
    .encoder_init = encoder_init_joyrpc,
    .encoder_finish = encoder_finish,
    .decode = decode,
    .read_request = peri_hessian_read_request,
    .read_reply = peri_hessian_read_reply,
    .begin_request = peri_hessian_begin_request,
    .end_request = peri_hessian_end_request,
    .begin_reply = peri_hessian_begin_reply,
    .end_reply = peri_hessian_end_reply,
};

const peri_serializer peri_serializer_hessian2_dubbo = {
    .name = "hessian2",
    .provider = "dubbo",
    .id = PERI_SER_HESSIAN_DUBBO,
    .self_typed = true,
    .encoder_init = encoder_init_dubbo,
    .encoder_finish = encoder_finish,
    .decode = decode,
};
