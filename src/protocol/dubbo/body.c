// SPDX-License-Identifier: MIT
// The serialization of this protocol's requests: reads the arguments out of a whole body, writes them
// (and results) as values that go on with a body begun by the protocol.
#include "protocol/dubbo/body.h"

#include "protocol/dubbo/dubbo.h"
#include "protocol/dubbo/generic.h"
#include "protocol/serializer/builtin.h"

static int plain_arguments(peri_hessian_reader *r, const dubbo_head *head, peri_sink *sink) {
  int rc = sink->ops->list_begin(sink->self, head->count);
  for (uint32_t i = 0; i < head->count && rc == 0; i++) {
    rc = peri_hessian_read(r, sink);
  }
  return rc != 0 ? rc : sink->ops->list_end(sink->self);
}

// Name, types, and then a list, which may have any class.
static int generic_arguments(peri_hessian_reader *r, peri_sink *sink) {
  size_t count = 0;
  int rc = peri_hessian_skip(r);
  rc = rc != 0 ? rc : peri_hessian_skip(r);
  if (rc == 0 && peri_hessian_peek(r) != PERI_HESSIAN_NULL) {
    rc = peri_hessian_read_list(r, NULL, &count);
  }
  rc = rc != 0 ? rc : sink->ops->list_begin(sink->self, count);
  bool open = count == PERI_COUNT_UNKNOWN;
  for (size_t n = 0; rc == 0 && (open ? !peri_hessian_read_end(r) : n < count); n++) {
    rc = peri_hessian_read(r, sink);
  }
  return rc != 0 ? rc : sink->ops->list_end(sink->self);
}

static int decode(peri_bytes in, const peri_value_limits *limits, peri_sink *sink, size_t *used,
                  peri_err *err) {
  peri_hessian_reader r;
  dubbo_head head;
  peri_hessian_reader_init(&r, in, limits, err);
  int rc = dubbo_head_read(&r, &head);
  if (rc == 0) {
    rc = head.generic ? generic_arguments(&r, sink) : plain_arguments(&r, &head, sink);
  }
  if (used != NULL) {
    *used = in.len;
  }
  return rc;
}

static void encoder_init(void *encoder, peri_buf *out, const peri_value_limits *limits,
                         peri_err *err, peri_sink *sink) {
  peri_serializer_hessian2_dubbo.encoder_init(encoder, out, limits, err, sink);
}

static int encoder_finish(void *encoder) {
  return peri_serializer_hessian2_dubbo.encoder_finish(encoder);
}

const peri_serializer peri_serializer_dubbo = {
    .name = "hessian2",
    .provider = "dubbo2",
    .id = PERI_SER_DUBBO,
    .alone = PERI_SER_HESSIAN_DUBBO,
    .linked = true,
    .inner = true,
    .self_typed = true,
    .encoder_init = encoder_init,
    .encoder_finish = encoder_finish,
    .decode = decode,
};

const peri_serializer peri_serializer_dubbo_generic = {
    .name = "hessian2",
    .provider = "dubbo2-generic",
    .id = PERI_SER_DUBBO_GENERIC,
    .alone = PERI_SER_DUBBO_GENERIC_ALONE,
    .linked = true,
    .inner = true,
    .self_typed = true,
    .untyped = true,
    .encoder_init = dubbo_generic_encoder_init,
    .encoder_finish = dubbo_generic_encoder_finish,
    .decode = decode,
};

static int decode_alone(peri_bytes in, const peri_value_limits *limits, peri_sink *sink,
                        size_t *used, peri_err *err) {
  return peri_serializer_hessian2_dubbo.decode(in, limits, sink, used, err);
}

const peri_serializer peri_serializer_dubbo_generic_alone = {
    .name = "hessian2",
    .provider = "dubbo2-generic-alone",
    .id = PERI_SER_DUBBO_GENERIC_ALONE,
    .inner = true,
    .self_typed = true,
    .encoder_init = dubbo_generic_encoder_init,
    .encoder_finish = dubbo_generic_encoder_finish,
    .decode = decode_alone,
};
