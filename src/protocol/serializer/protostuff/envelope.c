// SPDX-License-Identifier: MIT
// JoyRPC's Invocation and ResponsePayload, and the serializer itself.
#include <string.h>

#include "protocol/serializer/builtin.h"
#include "protocol/serializer/java_error.h"
#include "protocol/serializer/protostuff/wire.h"

enum {  // fields of Invocation
  CLASS_NAME = 1,
  ALIAS = 2,
  METHOD = 3,
  ARGS_TYPE = 4,
  ARGS = 5,
  ATTACHMENTS = 6,
};

enum { RESPONSE = 1, EXCEPTION = 2 };  // of ResponsePayload

// ---- reading ------------------------------------------------------------------------------------

// What is between the start tag, which was read, and the end tag of a message.
static int inner(peri_protostuff_reader *r, uint32_t number, unsigned wire, peri_bytes *out) {
  const uint8_t *start = r->at;
  int rc = wire == WIRE_START ? peri_protostuff_skip(r, number, wire)
                              : peri_protostuff_bad(r, "a field of another type");
  *out = (peri_bytes){start, rc == 0 ? (size_t)(r->at - start) - 1 : 0};
  return rc;
}

static int text(peri_protostuff_reader *r, unsigned wire, peri_bytes *out) {
  return wire == WIRE_BYTES ? peri_protostuff_bytes(r, out)
                            : peri_protostuff_bad(r, "a field of another type");
}

// Attachments become MessagePack: a map of their own.
static int attachments(peri_protostuff_reader *r, unsigned wire, const peri_value_limits *limits,
                       peri_buf *scratch) {
  peri_encoder encoder;
  peri_sink sink;
  if (wire != WIRE_START) {
    return peri_protostuff_bad(r, "a field of another type");
  }
  scratch->len = 0;
  peri_serializer_msgpack.encoder_init(&encoder, scratch, limits, r->err, &sink);
  int rc = peri_protostuff_attachments(r, &sink, ATTACHMENTS);
  return rc != 0 ? rc : peri_serializer_msgpack.encoder_finish(&encoder);
}

int peri_protostuff_read_request(peri_bytes body, const peri_value_limits *limits,
                                 peri_buf *scratch, peri_envelope *out, peri_err *err) {
  peri_protostuff_reader r;
  *out = (peri_envelope){.attachments_ser = PERI_SER_MSGPACK};
  peri_protostuff_reader_init(&r, body, limits, err);
  int rc = 0;
  while (rc == 0 && r.at < r.end) {
    uint32_t number;
    unsigned wire;
    rc = peri_protostuff_tag(&r, &number, &wire);
    if (rc != 0) {
      break;
    }
    switch (number) {
    case CLASS_NAME: rc = text(&r, wire, &out->iface); break;
    case ALIAS: rc = text(&r, wire, &out->alias); break;
    case METHOD: rc = text(&r, wire, &out->method); break;
    case ARGS: rc = inner(&r, number, wire, &out->args); break;
    case ATTACHMENTS: rc = attachments(&r, wire, limits, scratch); break;
    default: rc = peri_protostuff_skip(&r, number, wire);
    }
  }
  out->attachments = (peri_bytes){scratch->data, rc == 0 ? scratch->len : 0};
  return rc;
}

static bool is_ours(peri_bytes name) {
  static const char package[] = "io.joyrpc.exception.";
  return name.len > sizeof package && memcmp(name.ptr, package, sizeof package - 1) == 0;
}

// The message, and what JoyRPC's own exceptions say besides.
static int exception_field(peri_protostuff_reader *r, uint32_t number, unsigned wire,
                           peri_reply_envelope *out) {
  peri_bytes name;
  uint64_t flag;
  if (number == THROWABLE_MESSAGE) {
    return text(r, wire, &out->message);
  }
  if (is_ours(out->type) && number == LAF_CODE && wire == WIRE_BYTES) {
    int rc = peri_protostuff_bytes(r, &name);
    int code = rc == 0 ? peri_java_error_named(name) : 1;
    out->code = code < 0 ? code : out->code;
    return rc;
  }
  if (is_ours(out->type) && number == LAF_RETRY && wire == WIRE_VARINT) {
    int rc = peri_protostuff_varint(r, &flag);
    out->retry = rc == 0 && flag != 0;
    return rc;
  }
  return peri_protostuff_skip(r, number, wire);
}

static int exception(const peri_protostuff_reader *outer, peri_bytes content,
                     peri_reply_envelope *out) {
  peri_protostuff_reader r = *outer;
  uint32_t number;
  unsigned wire;
  r.at = content.ptr;
  r.end = content.ptr + content.len;
  out->failed = true;
  out->code = PERI_EUNKNOWN;
  out->result = content;
  int rc = peri_protostuff_tag(&r, &number, &wire);
  if (rc != 0 || number != ID_THROWABLE) {
    return rc;
  }
  rc = text(&r, wire, &out->type);
  out->code = rc == 0 ? peri_java_error_code(out->type, &out->retry) : out->code;
  while (rc == 0 && r.at < r.end) {
    rc = peri_protostuff_tag(&r, &number, &wire);
    rc = rc != 0 ? rc : exception_field(&r, number, wire, out);
  }
  return rc;
}

int peri_protostuff_read_reply(peri_bytes body, const peri_value_limits *limits, peri_buf *scratch,
                               peri_reply_envelope *out, peri_err *err) {
  (void)scratch;
  peri_protostuff_reader r;
  *out = (peri_reply_envelope){0};
  peri_protostuff_reader_init(&r, body, limits, err);
  int rc = 0;
  while (rc == 0 && r.at < r.end) {
    uint32_t number;
    unsigned wire;
    peri_bytes content;
    rc = peri_protostuff_tag(&r, &number, &wire);
    if (rc == 0 && (number == RESPONSE || number == EXCEPTION)) {
      rc = inner(&r, number, wire, &content);
      if (rc == 0 && number == EXCEPTION) {
        rc = exception(&r, content, out);
      } else if (rc == 0 && !out->failed) {
        out->result = content;
      }
    } else {
      rc = rc != 0 ? rc : peri_protostuff_skip(&r, number, wire);
    }
  }
  return rc;
}

// ---- writing ------------------------------------------------------------------------------------

static int on_count(void *out, size_t count) {
  peri_protostuff_put_tag(out, 1, WIRE_VARINT);
  peri_protostuff_put_varint(out, count);
  return 0;
}

static int on_name(void *out, const char *name, size_t len) {
  peri_protostuff_put_text(out, 2, (peri_bytes){(const uint8_t *)name, len});
  return 0;
}

static int on_end(void *out) {
  (void)out;
  return 0;
}

// An array of strings, from the list in MessagePack.
static int put_types(peri_buf *out, peri_bytes msgpack) {
  static const peri_sink_ops ops = {.list_begin = on_count, .string = on_name, .list_end = on_end};
  peri_value_limits limits = PERI_VALUE_LIMITS_DEFAULT;
  peri_sink sink = {&ops, out};
  peri_protostuff_put_tag(out, ARGS_TYPE, WIRE_START);
  int rc = peri_serializer_msgpack.decode(msgpack, &limits, &sink, NULL, NULL);
  peri_protostuff_put_tag(out, ARGS_TYPE, WIRE_END);
  return rc;
}

static void put_text(peri_buf *out, uint32_t number, peri_bytes value) {
  if (value.len != 0) {
    peri_protostuff_put_text(out, number, value);
  }
}

int peri_protostuff_begin_request(peri_buf *out, const peri_envelope *envelope) {
  put_text(out, CLASS_NAME, envelope->iface);
  put_text(out, ALIAS, envelope->alias);
  put_text(out, METHOD, envelope->method);
  int rc = envelope->args_type.len != 0 ? put_types(out, envelope->args_type) : 0;
  peri_protostuff_put_tag(out, ARGS, WIRE_START);
  peri_protostuff_expect_args(out);
  return rc;
}

int peri_protostuff_end_request(peri_buf *out, const peri_envelope *envelope) {
  static peri_java_type text_type = {.kind = PERI_JAVA_STRING};
  static const peri_java_type map = {.kind = PERI_JAVA_MAP, .first = &text_type};
  peri_value_limits limits = PERI_VALUE_LIMITS_DEFAULT;
  peri_encoder encoder;
  peri_sink sink;
  peri_protostuff_expect_args(NULL);  // of a body that came encoded
  peri_protostuff_put_tag(out, ARGS, WIRE_END);
  if (envelope->attachments.len == 0) {
    return 0;
  }
  peri_protostuff_encoder_init(&encoder, out, &limits, NULL, &sink);
  peri_protostuff_encoder_field(&encoder, ATTACHMENTS, &map);
  return peri_serializer_msgpack.decode(envelope->attachments, &limits, &sink, NULL, NULL);
}

static void put_exception(peri_buf *out, const peri_reply_envelope *envelope) {
  peri_bytes name = peri_bytes_of(peri_java_error_class(envelope->code));
  peri_protostuff_put_text(out, ID_THROWABLE, name);
  peri_protostuff_put_text(out, THROWABLE_MESSAGE,
                           envelope->message.len != 0
                               ? envelope->message
                               : peri_bytes_of(peri_code_text(envelope->code)));
  if (is_ours(name)) {
    peri_protostuff_put_text(out, LAF_CODE, peri_bytes_of(peri_code_name(envelope->code)));
    peri_protostuff_put_tag(out, LAF_RETRY, WIRE_VARINT);
    peri_protostuff_put_varint(out, envelope->retry);
  }
}

int peri_protostuff_begin_reply(peri_buf *out, const peri_reply_envelope *envelope) {
  peri_protostuff_expect_args(NULL);  // of a request that was given up
  peri_protostuff_put_tag(out, envelope->failed ? EXCEPTION : RESPONSE, WIRE_START);
  if (envelope->failed && !envelope->thrown) {
    put_exception(out, envelope);
    peri_protostuff_put_tag(out, EXCEPTION, WIRE_END);
  }
  return 0;
}

int peri_protostuff_end_reply(peri_buf *out, const peri_reply_envelope *envelope) {
  if (!envelope->failed && out->len == envelope->value_at) {
    out->len--;  // nothing was written, so nothing is begun
  } else if (!envelope->failed || envelope->thrown) {
    peri_protostuff_put_tag(out, envelope->failed ? EXCEPTION : RESPONSE, WIRE_END);
  }
  return 0;
}

const peri_serializer peri_serializer_protostuff = {
    .name = "protostuff",
    .provider = "",
    .id = PERI_SER_PROTOSTUFF,
    .self_typed = true,
    .encoder_init = peri_protostuff_encoder_init,
    .encoder_finish = peri_protostuff_encoder_finish,
    .expect_args = peri_protostuff_expect_args,
    .decode = peri_protostuff_decode,
    .decode_object = peri_protostuff_decode_object,
    .read_request = peri_protostuff_read_request,
    .read_reply = peri_protostuff_read_reply,
    .begin_request = peri_protostuff_begin_request,
    .end_request = peri_protostuff_end_request,
    .begin_reply = peri_protostuff_begin_reply,
    .end_reply = peri_protostuff_end_reply,
};
