// SPDX-License-Identifier: MIT
// Slices JoyRPC's JSON envelopes. Values are stepped over by their brackets and quotes only:
// whoever decodes a slice checks it, and what nobody decodes harms nobody.
#include "protocol/serializer/java_error.h"
#include "protocol/serializer/json.h"

typedef struct cursor {
  const uint8_t *at;
  const uint8_t *end;
  const uint8_t *start;
  peri_buf *scratch;
  peri_err *err;
  uint32_t max_depth;
} cursor;

static int bad(cursor *c, const char *what) {
  return peri_fail(c->err, PERI_EBAD_REQUEST, "json envelope: %s at offset %zu",
                   c->at == c->end ? "input ends early" : what, (size_t)(c->at - c->start));
}

static void skip_space(cursor *c) {
  while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\r' || *c->at == '\t')) {
    c->at++;
  }
}

static bool accept(cursor *c, uint8_t byte) {
  skip_space(c);
  if (c->at < c->end && *c->at == byte) {
    c->at++;
    return true;
  }
  return false;
}

// Moves behind the string whose opening quote is at `at`.
static int skip_string(cursor *c) {
  c->at++;
  while (c->at < c->end && *c->at != '"') {
    c->at += *c->at == '\\' && c->end - c->at > 1 ? 2 : 1;
  }
  if (c->at == c->end) {
    return bad(c, "");
  }
  c->at++;
  return 0;
}

static int skip_nested(cursor *c) {
  uint32_t depth = 0;
  do {
    if (c->at == c->end) {
      return bad(c, "");
    }
    uint8_t byte = *c->at;
    if (byte == '"') {
      int rc = skip_string(c);
      if (rc != 0) {
        return rc;
      }
      continue;
    }
    c->at++;
    if (byte == '{' || byte == '[') {
      if (++depth > c->max_depth) {
        return peri_fail(c->err, PERI_ETOO_BIG, "json envelope: nested deeper than %u",
                         c->max_depth);
      }
    } else if (byte == '}' || byte == ']') {
      depth--;
    }
  } while (depth > 0);
  return 0;
}

static bool ends_scalar(uint8_t byte) {
  return byte == ',' || byte == '}' || byte == ']' || byte <= ' ';
}

static bool is_null(peri_bytes value) {
  return value.len == 4 && memcmp(value.ptr, "null", 4) == 0;
}

// The bytes of one value; null is empty.
static int slice(cursor *c, peri_bytes *out) {
  skip_space(c);
  const uint8_t *start = c->at;
  int rc = 0;
  if (c->at < c->end && *c->at == '"') {
    rc = skip_string(c);
  } else if (c->at < c->end && (*c->at == '{' || *c->at == '[')) {
    rc = skip_nested(c);
  } else {
    while (c->at < c->end && !ends_scalar(*c->at)) {
      c->at++;
    }
  }
  if (rc == 0 && c->at == start) {
    rc = bad(c, "expected a value");
  }
  *out = (peri_bytes){start, (size_t)(c->at - start)};
  if (is_null(*out)) {
    *out = (peri_bytes){NULL, 0};
  }
  return rc;
}

static int read_string(cursor *c, peri_bytes *out) {
  c->at++;
  const char *wrong = peri_json_read_string(&c->at, c->end, c->scratch, out);
  return wrong != NULL ? bad(c, wrong) : 0;
}

// A string or null (empty).
static int string(cursor *c, peri_bytes *out) {
  skip_space(c);
  if (c->at < c->end && *c->at == '"') {
    return read_string(c, out);
  }
  int rc = slice(c, out);
  return rc == 0 && out->len != 0 ? bad(c, "expected a string") : rc;
}

// Where a key's value goes; `text` unescapes, otherwise the encoded value is sliced.
typedef struct field {
  const char *name;
  bool text;
  peri_bytes *to;
} field;

static int member(cursor *c, const field *fields, size_t count) {
  skip_space(c);
  if (c->at == c->end || *c->at != '"') {
    return bad(c, "expected a string as key");
  }
  peri_bytes key;
  int rc = read_string(c, &key);
  if (rc != 0 || !accept(c, ':')) {
    return rc != 0 ? rc : bad(c, "expected : after a key");
  }
  for (size_t i = 0; i < count; i++) {
    if (peri_bytes_equal(key, peri_bytes_of(fields[i].name))) {
      return fields[i].text ? string(c, fields[i].to) : slice(c, fields[i].to);
    }
  }
  peri_bytes ignored;
  return slice(c, &ignored);
}

static int object(cursor *c, const field *fields, size_t count) {
  if (!accept(c, '{')) {
    return bad(c, "expected an object");
  }
  if (accept(c, '}')) {
    return 0;
  }
  for (;;) {
    int rc = member(c, fields, count);
    if (rc != 0 || accept(c, '}')) {
      return rc;
    }
    if (!accept(c, ',')) {
      return bad(c, "expected , or } in an object");
    }
  }
}

static int read_object(peri_bytes body, const peri_value_limits *limits, peri_buf *scratch,
                       const field *fields, size_t count, peri_err *err) {
  const uint8_t *start = body.ptr != NULL ? body.ptr : (const uint8_t *)"";
  cursor c = {.at = start,
              .start = start,
              .end = start + body.len,
              .scratch = scratch,
              .err = err,
              .max_depth = peri_value_depth(limits)};
  int rc = object(&c, fields, count);
  skip_space(&c);
  return rc == 0 && c.at != c.end ? bad(&c, "bytes after the envelope") : rc;
}

// Unescaped text is never longer than its source, and so `scratch` does not move afterwards.
static void prepare(peri_buf *scratch, peri_bytes body) {
  if (body.len != 0 && memchr(body.ptr, '\\', body.len) != NULL) {
    peri_buf_reserve(scratch, body.len + 8);
  }
}

int peri_json_read_request(peri_bytes body, const peri_value_limits *limits, peri_buf *scratch,
                           peri_envelope *out, peri_err *err) {
  *out = (peri_envelope){0};
  const field fields[] = {
      {"className", true, &out->iface},   {"alias", true, &out->alias},
      {"methodName", true, &out->method}, {"argsType", false, &out->args_type},
      {"args", false, &out->args},        {"attachments", false, &out->attachments},
  };
  prepare(scratch, body);
  return read_object(body, limits, scratch, fields, sizeof fields / sizeof fields[0], err);
}

typedef struct throwable {
  peri_bytes type, message, detail, localized, retry, code, stack;
} throwable;

static int read_throwable(peri_bytes value, const peri_value_limits *limits, peri_buf *scratch,
                          throwable *t, peri_err *err) {
  *t = (throwable){0};
  const field fields[] = {
      {"@type", true, &t->type},           {"message", true, &t->message},
      {"detailMessage", true, &t->detail}, {"localizedMessage", true, &t->localized},
      {"retry", false, &t->retry},         {"errorCode", false, &t->code},
      {"stackTrace", false, &t->stack},
  };
  return read_object(value, limits, scratch, fields, sizeof fields / sizeof fields[0], err);
}

static int code_by_quoted_name(peri_bytes quoted) {
  return quoted.len > 2 && quoted.ptr[0] == '"'
             ? peri_java_error_named((peri_bytes){quoted.ptr + 1, quoted.len - 2})
             : 1;
}

static void set_failure(peri_reply_envelope *out, const throwable *t, peri_bytes exception) {
  out->failed = true;
  out->result = exception;
  out->type = t->type.len != 0 ? t->type : out->type;
  out->code = peri_java_error_code(out->type, &out->retry);
  int named = code_by_quoted_name(t->code);
  out->code = named < 0 ? named : out->code;
  if (t->retry.len != 0) {
    out->retry = t->retry.ptr[0] == 't';
  }
  out->message = t->message.len != 0 ? t->message : t->detail.len != 0 ? t->detail : t->localized;
}

// Jackson puts the exception where the result belongs; then it looks like a throwable.
static bool shows_throwable(const throwable *t) {
  return t->stack.len != 0 || t->localized.len != 0 || t->message.len != 0 || t->detail.len != 0;
}

int peri_json_read_reply(peri_bytes body, const peri_value_limits *limits, peri_buf *scratch,
                         peri_reply_envelope *out, peri_err *err) {
  *out = (peri_reply_envelope){0};
  peri_bytes exception = {NULL, 0};
  if (body.len == 0) {
    return 0;
  }
  const field fields[] = {{"class", true, &out->type},
                          {"response", false, &out->result},
                          {"exception", false, &exception}};
  prepare(scratch, body);
  int rc = read_object(body, limits, scratch, fields, sizeof fields / sizeof fields[0], err);
  throwable t;
  if (rc == 0 && exception.len != 0) {
    rc = read_throwable(exception, limits, scratch, &t, err);
    if (rc == 0) {
      set_failure(out, &t, exception);
    }
  } else if (rc == 0 && out->result.len != 0 && out->result.ptr[0] == '{' &&
             peri_java_error_is(out->type) &&
             read_throwable(out->result, limits, scratch, &t, NULL) == 0 && shows_throwable(&t)) {
    set_failure(out, &t, out->result);
  }
  return rc;
}
