// SPDX-License-Identifier: MIT
// Bytes as they are: the body is the value. Nothing (null) is the empty body.
#include "base/limit.h"
#include "protocol/serializer/builtin.h"

typedef struct encoder {
  peri_buf *out;
  peri_err *err;
  bool done;
} encoder;

_Static_assert(sizeof(encoder) <= PERI_ENCODER_SIZE, "encoder state must fit");

static int refuse(void *sink) {
  encoder *e = sink;
  return peri_fail(e->err, PERI_EBAD_REQUEST,
                   "raw carries one string or perilune.bytes and nothing else");
}

static int on_bytes(void *sink, const uint8_t *data, size_t len) {
  encoder *e = sink;
  if (e->done) {
    return refuse(sink);
  }
  e->done = true;
  peri_buf_add(e->out, data, len);
  return 0;
}

static int on_string(void *sink, const char *text, size_t len) {
  return on_bytes(sink, (const uint8_t *)text, len);
}

static int on_null(void *sink) {
  return on_bytes(sink, NULL, 0);
}

static int on_boolean(void *sink, bool value) {
  (void)value;
  return refuse(sink);
}

static int on_integer(void *sink, int64_t value) {
  (void)value;
  return refuse(sink);
}

static int on_uinteger(void *sink, uint64_t value) {
  (void)value;
  return refuse(sink);
}

static int on_number(void *sink, double value) {
  (void)value;
  return refuse(sink);
}

static int on_begin(void *sink, size_t count) {
  (void)count;
  return refuse(sink);
}

static int on_key(void *sink, const char *text, size_t len) {
  (void)text;
  (void)len;
  return refuse(sink);
}

static const peri_sink_ops ops = {
    .null = on_null,
    .boolean = on_boolean,
    .integer = on_integer,
    .uinteger = on_uinteger,
    .number = on_number,
    .string = on_string,
    .bytes = on_bytes,
    .list_begin = on_begin,
    .list_end = refuse,
    .map_begin = on_begin,
    .key = on_key,
    .any_key = refuse,
    .map_end = refuse,
    .type = on_key,
};

static void encoder_init(void *memory, peri_buf *out, const peri_value_limits *limits,
                         peri_err *err, peri_sink *sink) {
  (void)limits;
  encoder *e = memory;
  *e = (encoder){.out = out, .err = err};
  *sink = (peri_sink){&ops, e};
}

static int encoder_finish(void *memory) {
  const encoder *e = memory;
  return e->done ? 0 : refuse(memory);
}

static int decode(peri_bytes in, const peri_value_limits *limits, peri_sink *sink, size_t *used,
                  peri_err *err) {
  if (in.len > limits->string) {
    peri_limit_hit(PERI_LIMIT_VALUE_STRING);
    return peri_fail(err, PERI_ETOO_BIG, "raw: %zu bytes are over value_string = %u", in.len,
                     limits->string);
  }
  if (used != NULL) {
    *used = in.len;
  }
  return sink->ops->bytes(sink->self, in.ptr, in.len);
}

const peri_serializer peri_serializer_raw = {
    .name = "raw",
    .provider = "",
    .id = PERI_SER_RAW,
    .self_typed = true,
    .encoder_init = encoder_init,
    .encoder_finish = encoder_finish,
    .decode = decode,
};
