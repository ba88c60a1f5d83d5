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
  add(out, "{\"@type\":");
  peri_json_add_text(out, class_of(envelope));
  add(out, ",\"message\":");
  peri_json_add_text(out, envelope->message.len != 0
                              ? envelope->message
                              : peri_bytes_of(peri_code_text(envelope->code)));
  add(out, envelope->retry ? ",\"retry\":true,\"errorCode\":\"" : ",\"errorCode\":\"");
  add(out, peri_code_name(envelope->code));
  add(out, "\"}");
}

// Fastjson needs a class that is a throwable before it looks at `@type`, Jackson exactly this one.
static const char thrown_head[] = "{\"class\":\"java.lang.Throwable\",\"exception\":";

static void add_reply_head(peri_buf *out, peri_bytes type) {
  add(out, "{\"class\":");
  peri_json_add_text(out, type);
  add(out, ",\"response\":");
}

int peri_json_begin_reply(peri_buf *out, const peri_reply_envelope *envelope) {
  if (!envelope->failed) {
    add_reply_head(out, class_of(envelope));
    return 0;
  }
  add(out, thrown_head);
  if (!envelope->thrown) {
    add_exception(out, envelope);
    peri_buf_add_u8(out, '}');
  }
  return 0;
}

// What Java may call a value whose class nobody declared.
static const char *guess(peri_bytes value) {
  switch (value.ptr[0]) {
  case '"': return "java.lang.String";
  case '[': return "java.util.ArrayList";
  case '{': return "java.util.HashMap";
  case 't':
  case 'f': return "java.lang.Boolean";
  default: break;
  }
  for (size_t i = 0; i < value.len; i++) {
    if (value.ptr[i] == '.' || value.ptr[i] == 'e') {
      return "java.lang.Double";
    }
  }
  return value.len < 10 ? "java.lang.Integer" : "java.lang.Long";
}

// The class stands before the value, which is known only now.
static void put_guess(peri_buf *out, const peri_reply_envelope *envelope) {
  peri_bytes before = class_of(envelope);
  peri_bytes after = peri_bytes_of(
      guess((peri_bytes){out->data + envelope->value_at, out->len - envelope->value_at}));
  static const size_t behind = sizeof "\",\"response\":" - 1;
  if (after.len > before.len) {
    peri_buf_reserve(out, after.len - before.len);
  }
  uint8_t *at = out->data + envelope->value_at - behind;
  memmove(at + after.len - before.len, at, out->len - envelope->value_at + behind);
  memcpy(at - before.len, after.ptr, after.len);
  out->len += after.len - before.len;
}

int peri_json_end_reply(peri_buf *out, const peri_reply_envelope *envelope) {
  if (envelope->failed && !envelope->thrown) {
    return 0;
  }
  // A null result is `{}`: take the head back. What begin_reply wrote is known from the envelope.
  static const char tail[] = ",\"response\":null";
  size_t tail_len = sizeof tail - 1;
  if (!envelope->failed && out->len >= tail_len &&
      memcmp(out->data + out->len - tail_len, tail, tail_len) == 0) {
    peri_buf head = {0};
    add_reply_head(&head, class_of(envelope));
    out->len -= head.len + 4;
    peri_buf_fini(&head);
    add(out, "{}");
    return 0;
  }
  if (!envelope->failed && envelope->type.len == 0 && envelope->value_at < out->len &&
      envelope->value_at != 0) {
    put_guess(out, envelope);
  }
  peri_buf_add_u8(out, '}');
  return 0;
}
