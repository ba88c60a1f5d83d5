// SPDX-License-Identifier: MIT
// Writes JoyRPC's envelopes. Java reads fields by name, so the value that somebody else writes comes
// last in a request; in a reply only `exception` follows it.
#include "protocol/serializer/hessian2/envelope.h"

#include "protocol/serializer/builtin.h"
#include "protocol/serializer/java_error.h"

static void begin(peri_encoder *encoder, peri_buf *out, peri_sink *sink) {
  peri_value_limits limits = PERI_VALUE_LIMITS_DEFAULT;
  peri_hessian_writer_init(encoder, out, &limits, PERI_HESSIAN_JOYRPC, NULL, sink);
}

static int text_or_null(peri_encoder *encoder, peri_bytes text) {
  return text.len == 0 ? peri_hessian_write_null(encoder)
                       : peri_hessian_write_string(encoder, text);
}

// A value that is given in MessagePack.
static int transcoded(peri_encoder *encoder, peri_sink *sink, peri_bytes msgpack) {
  if (msgpack.len == 0) {
    return peri_hessian_write_null(encoder);
  }
  peri_value_limits limits = PERI_VALUE_LIMITS_DEFAULT;
  return peri_serializer_msgpack.decode(msgpack, &limits, sink, NULL, NULL);
}

int peri_hessian_begin_request(peri_buf *out, const peri_envelope *envelope) {
  static const char *const fields[] = {"className", "alias",       "methodName",
                                       "argsType",  "attachments", "args"};
  peri_encoder encoder;
  peri_sink sink;
  begin(&encoder, out, &sink);
  int rc = peri_hessian_write_object(&encoder, "io.joyrpc.protocol.message.Invocation", fields, 6);
  rc = rc != 0 ? rc : text_or_null(&encoder, envelope->iface);
  rc = rc != 0 ? rc : text_or_null(&encoder, envelope->alias);
  rc = rc != 0 ? rc : text_or_null(&encoder, envelope->method);
  rc = rc != 0 ? rc : transcoded(&encoder, &sink, envelope->args_type);
  rc = rc != 0 ? rc : transcoded(&encoder, &sink, envelope->attachments);
  peri_hessian_writer_keep(&encoder);
  return rc;
}

int peri_hessian_end_request(peri_buf *out, const peri_envelope *envelope) {
  (void)out;
  (void)envelope;
  return 0;
}

// `errorCode` is a free string of JoyRPC's exceptions: with it our own peers learn the exact code.
static int write_exception(peri_encoder *encoder, const peri_reply_envelope *envelope) {
  static const char *const fields[] = {"detailMessage", "retry", "errorCode"};
  const char *name = peri_java_error_class(envelope->code);
  peri_bytes message = envelope->message.len != 0 ? envelope->message
                                                  : peri_bytes_of(peri_code_text(envelope->code));
  peri_bytes code = peri_bytes_of(peri_code_name(envelope->code));
  int rc = peri_hessian_write_object(encoder, name, fields, 3);
  rc = rc != 0 ? rc : peri_hessian_write_string(encoder, message);
  rc = rc != 0 ? rc : peri_hessian_write_boolean(encoder, envelope->retry);
  return rc != 0 ? rc : peri_hessian_write_string(encoder, code);
}

int peri_hessian_begin_reply(peri_buf *out, const peri_reply_envelope *envelope) {
  static const char *const fields[] = {"response", "exception"};
  peri_encoder encoder;
  peri_sink sink;
  begin(&encoder, out, &sink);
  int rc =
      peri_hessian_write_object(&encoder, "io.joyrpc.protocol.message.ResponsePayload", fields, 2);
  if (rc == 0 && envelope->failed) {
    rc = peri_hessian_write_null(&encoder);
    rc = rc != 0 || envelope->thrown ? rc : write_exception(&encoder, envelope);
    if (!envelope->thrown) {
      return rc;
    }
  }
  peri_hessian_writer_keep(&encoder);
  return rc;
}

int peri_hessian_end_reply(peri_buf *out, const peri_reply_envelope *envelope) {
  if (!envelope->failed) {
    peri_buf_add_u8(out, 'N');  // no exception
  }
  return 0;
}
