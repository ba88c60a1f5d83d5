// SPDX-License-Identifier: MIT
// Writes JoyRPC's JSON envelopes. Java resolves types while it parses, so className, alias and
// methodName come first and argsType precedes args.
#include "protocol/serializer/builtin.h"
#include "protocol/serializer/java_error.h"
#include "protocol/serializer/json.h"

static void add(peri_buf *out, const char *text) {
  peri_buf_add(out, text, strlen(text));
}

// `,"name":"text"` (the comma only behind something); nothing for empty text.
static int add_member(peri_buf *out, const char *name, peri_bytes text) {
  if (text.len == 0) {
    return 0;
  }
  if (out->data[out->len - 1] != '{') {
    peri_buf_add_u8(out, ',');
  }
  peri_buf_add_u8(out, '"');
  add(out, name);
  add(out, "\":");
  return peri_json_add_string(out, text);
}

static int add_transcoded(peri_buf *out, const char *head, peri_bytes msgpack) {
  peri_value_limits limits = PERI_VALUE_LIMITS_DEFAULT;
  add(out, head);
  return peri_serializer_transcode(&peri_serializer_msgpack, msgpack, &peri_serializer_json,
                                   &limits, out, NULL);
}

int peri_json_begin_request(peri_buf *out, const peri_envelope *envelope) {
  peri_buf_add_u8(out, '{');
  int rc = add_member(out, "className", envelope->iface);
  rc = rc != 0 ? rc : add_member(out, "alias", envelope->alias);
  rc = rc != 0 ? rc : add_member(out, "methodName", envelope->method);
  const char *comma = out->data[out->len - 1] != '{' ? "," : "";
  if (rc == 0 && envelope->args_type.len != 0) {
    add(out, comma);
    comma = ",";
    rc = add_transcoded(out, "\"argsType\":", envelope->args_type);
  }
  add(out, comma);
  add(out, "\"args\":");
  return rc;
}

int peri_json_end_request(peri_buf *out, const peri_envelope *envelope) {
  peri_bytes map = envelope->attachments;
  bool empty = map.len == 0 || (map.len == 1 && map.ptr[0] == 0x80);  // 0x80: no entries
  int rc = empty ? 0 : add_transcoded(out, ",\"attachments\":", map);
  peri_buf_add_u8(out, '}');
  return rc;
}

static peri_bytes class_of(const peri_reply_envelope *envelope) {
  if (envelope->type.len != 0) {
    return envelope->type;
  }
  return peri_bytes_of(envelope->failed ? peri_java_error_class(envelope->code)
                                        : "java.lang.String");
}

// `errorCode` is a free string of JoyRPC's exceptions: with it our own peers learn the exact code.
static void add_exception(peri_buf *out, const peri_reply_envelope *envelope) {
  add(out, ",\"exception\":{\"@type\":");
  peri_json_add_text(out, class_of(envelope));
  add(out, ",\"message\":");
  peri_json_add_text(out, envelope->message.len != 0
                              ? envelope->message
                              : peri_bytes_of(peri_code_text(envelope->code)));
  add(out, envelope->retry ? ",\"retry\":true,\"errorCode\":\"" : ",\"errorCode\":\"");
  add(out, peri_code_name(envelope->code));
  add(out, "\"}}");
}

static void add_reply_head(peri_buf *out, const peri_reply_envelope *envelope) {
  add(out, "{\"class\":");
  peri_json_add_text(out, class_of(envelope));
}

int peri_json_begin_reply(peri_buf *out, const peri_reply_envelope *envelope) {
  add_reply_head(out, envelope);
  if (envelope->failed) {
    add_exception(out, envelope);
  } else {
    add(out, ",\"response\":");
  }
  return 0;
}

int peri_json_end_reply(peri_buf *out, const peri_reply_envelope *envelope) {
  if (envelope->failed) {
    return 0;
  }
  // A null result is `{}`: take the head back. What begin_reply wrote is known from the envelope.
  static const char tail[] = ",\"response\":null";
  size_t tail_len = sizeof tail - 1;
  if (out->len >= tail_len && memcmp(out->data + out->len - tail_len, tail, tail_len) == 0) {
    peri_buf head = {0};
    add_reply_head(&head, envelope);
    out->len -= tail_len + head.len;
    peri_buf_fini(&head);
    add(out, "{}");
    return 0;
  }
  peri_buf_add_u8(out, '}');
  return 0;
}
