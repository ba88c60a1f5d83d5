// SPDX-License-Identifier: MIT
// Calls of ours in fastjson, for providers that take nothing else: each value is a line of JSON. The
// arguments come from their serializer as one list, whose items become lines where they stand.
#include "protocol/dubbo/fastjson.h"
#include "protocol/serializer/builtin.h"
#include "protocol/serializer/json.h"

// ---- out --------------------------------------------------------------------------------------

static int write_types(peri_conn *conn, const peri_event *event, const dubbo_callee *to) {
  peri_buf types = {0};
  if (to->by_name) {
    return dubbo_fastjson_text(conn, peri_bytes_of(DUBBO_GENERIC_TYPES));
  }
  int rc = dubbo_request_types(event, &types);
  rc = rc != 0 ? rc : dubbo_fastjson_text(conn, (peri_bytes){types.data, types.len});
  peri_buf_fini(&types);
  return rc;
}

static int write_head(peri_conn *conn, const peri_event *event, const dubbo_callee *to) {
  bool generic = to->by_name || (event->flags & PERI_EV_GENERIC) != 0;
  int rc = dubbo_fastjson_text(conn, peri_bytes_of("2.0.2"));
  rc = rc != 0 ? rc : dubbo_fastjson_text(conn, to->path);
  rc = rc != 0 ? rc : dubbo_fastjson_text(conn, dubbo_callee_version(to));
  rc = rc != 0 ? rc : dubbo_fastjson_text(conn, generic ? peri_bytes_of("$invoke") : event->method);
  rc = rc != 0 ? rc : write_types(conn, event, to);
  if (rc == 0 && to->by_name) {
    rc = dubbo_fastjson_text(conn, event->method);
    peri_buf_add(peri_conn_out(conn), "null\n", 5);
  }
  return rc;
}

int dubbo_fastjson_call(peri_conn *conn, const peri_event *event, peri_mark *mark) {
  peri_buf *out = peri_conn_out(conn);
  uint8_t two_way = (event->flags & PERI_EV_ONEWAY) != 0 ? 0 : DUBBO_TWO_WAY;
  dubbo_callee to = dubbo_callee_of(event);
  mark->start = out->len;
  dubbo_frame_begin(out, DUBBO_REQUEST | DUBBO_FASTJSON | two_way, 0, event->stream);
  int rc = write_head(conn, event, &to);
  if (!to.by_name && rc == 0) {
    out->len--;  // the list begins with this end of a line
  }
  mark->body = out->len;
  if (rc != 0) {
    out->len = mark->start;
  }
  return rc;
}

// Behind the quote that ends the string.
static uint8_t *string_end(uint8_t *at, const uint8_t *end) {
  while (at < end && *at != '"') {
    at += *at == '\\' ? 2 : 1;
  }
  return at + 1;
}

// '[1,"a,b"]' -> '\n1\n"a,b"\n'. It is our own JSON.
static void list_to_lines(peri_buf *out, size_t from) {
  uint8_t *at = out->data + from;
  const uint8_t *end = out->data + out->len;
  uint32_t depth = 0;
  if (out->len == from || out->len - from == 2) {  // nothing, or a list of nothing
    out->len = from;
    peri_buf_add_u8(out, '\n');
    return;
  }
  while (at < end) {
    if (*at == '"') {
      at = string_end(at + 1, end);
      continue;
    }
    bool opens = *at == '[' || *at == '{', closes = *at == ']' || *at == '}';
    depth -= closes;
    if ((depth == 0 && (opens || closes)) || (depth == 1 && *at == ',')) {
      *at = '\n';
    }
    depth += opens;
    at++;
  }
}

static int write_attachments(peri_conn *conn, const peri_event *event, const dubbo_callee *to) {
  peri_buf *out = peri_conn_out(conn), map = {0};
  size_t start = out->len;
  int rc = dubbo_request_attachments(conn, event, to);
  if (rc == 0) {
    peri_buf_add(&map, out->data + start, out->len - start);
    out->len = start;
    rc = peri_serializer_transcode(&peri_serializer_hessian2_dubbo, (peri_bytes){map.data, map.len},
                                   &peri_serializer_json, &conn->limits->value, out, NULL);
    peri_buf_add_u8(out, '\n');
  }
  peri_buf_fini(&map);
  return rc;
}

int dubbo_fastjson_call_end(peri_conn *conn, const peri_event *event, const peri_mark *mark) {
  peri_buf *out = peri_conn_out(conn);
  dubbo_callee to = dubbo_callee_of(event);
  if (!to.by_name) {
    list_to_lines(out, mark->body);
  } else {
    peri_buf_add(out, "[]", out->len == mark->body ? 2 : 0);
    peri_buf_add_u8(out, '\n');
  }
  return write_attachments(conn, event, &to);
}

// ---- in ---------------------------------------------------------------------------------------

static peri_bytes take_line(peri_bytes *rest) {
  const uint8_t *end = rest->len != 0 ? memchr(rest->ptr, '\n', rest->len) : NULL;
  peri_bytes line = {rest->ptr, end != NULL ? (size_t)(end - rest->ptr) : rest->len};
  size_t used = line.len + (end != NULL);
  *rest = (peri_bytes){rest->ptr != NULL ? rest->ptr + used : NULL, rest->len - used};
  while (line.len != 0 && line.ptr[line.len - 1] == '\r') {
    line.len--;
  }
  return line;
}

static bool is(peri_bytes line, const char *text) {
  return peri_bytes_equal(line, peri_bytes_of(text));
}

// As JoyRPC's reader reads it: `@type` is the class.
static int read_exception(peri_conn *conn, dubbo_fastjson_answer *answer, peri_err *err) {
  answer->code = PERI_EUNKNOWN;
  if (answer->value.len == 0) {
    return 0;
  }
  peri_buf body = {0}, scratch = {0};
  peri_reply_envelope envelope = {0};
  peri_buf_add(&body, "{\"exception\":", 13);
  peri_buf_add(&body, answer->value.ptr, answer->value.len);
  peri_buf_add_u8(&body, '}');
  int rc = peri_serializer_json.read_reply((peri_bytes){body.data, body.len}, &conn->limits->value,
                                           &scratch, &envelope, err);
  if (rc == 0) {
    answer->code = envelope.code != 0 ? envelope.code : PERI_EUNKNOWN;
    peri_buf_add(&answer->text, envelope.message.ptr, envelope.message.len);
  }
  peri_buf_fini(&body);
  peri_buf_fini(&scratch);
  return rc;
}

int dubbo_fastjson_answered(peri_conn *conn, peri_bytes body, dubbo_fastjson_answer *answer,
                            peri_err *err) {
  peri_bytes kind = take_line(&body);
  int number = kind.len == 1 ? kind.ptr[0] - '0' : -1;
  if (number < DUBBO_EXCEPTION || number > DUBBO_NOTHING + DUBBO_WITH_ATTACHMENTS) {
    return peri_fail(err, PERI_EPROTOCOL, "the kind of a response in fastjson is not known");
  }
  bool more = number >= DUBBO_WITH_ATTACHMENTS;
  number -= more ? DUBBO_WITH_ATTACHMENTS : 0;
  if (number != DUBBO_NOTHING) {
    peri_bytes value = take_line(&body);
    bool quoted = dubbo_fastjson_quote(value, &answer->plain);
    value = quoted ? (peri_bytes){answer->plain.data, answer->plain.len} : value;
    answer->value = is(value, "null") ? (peri_bytes){NULL, 0} : value;
  }
  int rc = number == DUBBO_EXCEPTION ? read_exception(conn, answer, err) : 0;
  peri_bytes map = more && rc == 0 ? take_line(&body) : (peri_bytes){NULL, 0};
  if (map.len == 0 || is(map, "null") || is(map, "{}") || is(map, "{\"dubbo\":\"2.0.2\"}")) {
    return rc;
  }
  return peri_serializer_transcode(&peri_serializer_json, map, &peri_serializer_msgpack,
                                   &conn->limits->value, &answer->map, err);
}

int dubbo_fastjson_failed(peri_bytes body, peri_buf *text) {
  peri_buf scratch = {0};
  peri_bytes line = take_line(&body), said = {NULL, 0};
  const uint8_t *at = line.len != 0 ? line.ptr + 1 : NULL;
  if (line.len < 2 || line.ptr[0] != '"' ||
      peri_json_read_string(&at, line.ptr + line.len, &scratch, &said) != NULL) {
    said = line;
  }
  peri_buf_add(text, said.ptr, said.len);
  peri_buf_fini(&scratch);
  return 0;
}

void dubbo_fastjson_answer_free(dubbo_fastjson_answer *answer) {
  peri_buf_fini(&answer->plain);
  peri_buf_fini(&answer->text);
  peri_buf_fini(&answer->map);
}
