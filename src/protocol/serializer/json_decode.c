// SPDX-License-Identifier: MIT
// Reads JSON by recursive descent; the recursion is bounded by the limit on depth.
#include "base/limit.h"
#include "protocol/serializer/json.h"
#include "protocol/serializer/scratch.h"

typedef struct decoder {
  const uint8_t *at;
  const uint8_t *end;
  const uint8_t *start;
  const peri_sink_ops *ops;
  void *sink;
  peri_err *err;
  peri_buf *scratch;
  uint32_t elements;  // budget left
  uint32_t max_string;
  uint32_t depth;
  uint32_t max_depth;
  bool exact;
} decoder;

static int value(decoder *d);

static int fail(decoder *d, int code, const char *what) {
  return peri_fail(d->err, code, "json: %s at offset %zu", what, (size_t)(d->at - d->start));
}

static int bad(decoder *d, const char *what) {
  return fail(d, PERI_EBAD_REQUEST, d->at == d->end ? "input ends inside a value" : what);
}

static int over(decoder *d, peri_limit limit, const char *what) {
  peri_limit_hit(limit);
  return fail(d, PERI_ETOO_BIG, what);
}

static inline void skip_space(decoder *d) {
  while (d->at < d->end && (*d->at == ' ' || *d->at == '\n' || *d->at == '\r' || *d->at == '\t')) {
    d->at++;
  }
}

static inline bool accept(decoder *d, uint8_t byte) {
  if (d->at < d->end && *d->at == byte) {
    d->at++;
    return true;
  }
  return false;
}

static int literal(decoder *d, const char *word, size_t len) {
  if ((size_t)(d->end - d->at) < len || memcmp(d->at, word, len) != 0) {
    return bad(d, "unknown word; expected true, false or null");
  }
  d->at += len;
  return 0;
}

static int text(decoder *d, peri_bytes *out) {
  const uint8_t *begin = d->at;
  d->scratch->len = 0;
  const char *wrong = peri_json_read_string(&d->at, d->end, d->scratch, out);
  if (wrong != NULL) {
    return fail(d, PERI_EBAD_REQUEST, wrong);
  }
  if (out->len > d->max_string) {
    d->at = begin;
    return over(d, PERI_LIMIT_VALUE_STRING, "string over value_string");
  }
  return 0;
}

static int string(decoder *d) {
  peri_bytes s;
  d->at++;
  int rc = text(d, &s);
  return rc != 0 ? rc : d->ops->string(d->sink, (const char *)s.ptr, s.len);
}

// What more digits than a double's say of a number.
enum { EXACT_DIGITS = 17 };

static size_t digits_of(peri_bytes text) {
  size_t count = 0;
  for (size_t i = 0; i < text.len && text.ptr[i] != 'e' && text.ptr[i] != 'E'; i++) {
    count += text.ptr[i] >= '0' && text.ptr[i] <= '9';
  }
  return count;
}

static int real(decoder *d, double value, peri_bytes text) {
  const peri_sink_graph *graph = d->ops->graph;
  if (!d->exact || graph == NULL || graph->cast == NULL || digits_of(text) <= EXACT_DIGITS) {
    return d->ops->number(d->sink, value);
  }
  bool whole = memchr(text.ptr, '.', text.len) == NULL && memchr(text.ptr, 'e', text.len) == NULL &&
               memchr(text.ptr, 'E', text.len) == NULL;
  int rc = graph->cast(d->sink, whole ? PERI_CAST_BIGINT : PERI_CAST_DECIMAL);
  return rc != 0 ? rc : d->ops->string(d->sink, (const char *)text.ptr, text.len);
}

static int number(decoder *d) {
  peri_json_number n;
  const uint8_t *start = d->at;
  const char *wrong = peri_json_read_number(&d->at, d->end, &n);
  if (wrong != NULL) {
    return fail(d, PERI_EBAD_REQUEST, wrong);
  }
  switch (n.kind) {
  case PERI_JSON_INT: return d->ops->integer(d->sink, n.i);
  case PERI_JSON_UINT: return d->ops->uinteger(d->sink, n.u);
  default: return real(d, n.d, (peri_bytes){start, (size_t)(d->at - start)});
  }
}

static int enter(decoder *d) {
  if (d->depth == d->max_depth) {
    return over(d, PERI_LIMIT_VALUE_DEPTH, "nested deeper than value_depth");
  }
  d->depth++;
  d->at++;
  return 0;
}

static int count_element(decoder *d) {
  if (d->elements == 0) {
    return over(d, PERI_LIMIT_VALUE_ELEMENTS, "more elements than value_elements");
  }
  d->elements--;
  return 0;
}

static int list(decoder *d) {
  int rc = enter(d);
  if (rc != 0) {
    return rc;
  }
  skip_space(d);
  bool empty = accept(d, ']');
  rc = d->ops->list_begin(d->sink, empty ? 0 : PERI_COUNT_UNKNOWN);
  while (rc == 0 && !empty) {
    rc = count_element(d);
    rc = rc != 0 ? rc : value(d);
    skip_space(d);
    if (rc != 0 || accept(d, ']')) {
      break;
    }
    rc = accept(d, ',') ? 0 : bad(d, "expected , or ] in a list");
  }
  d->depth--;
  return rc != 0 ? rc : d->ops->list_end(d->sink);
}

static int entry(decoder *d) {
  skip_space(d);
  if (!accept(d, '"')) {
    return bad(d, "expected a string as key");
  }
  peri_bytes key;
  int rc = count_element(d);
  rc = rc != 0 ? rc : text(d, &key);
  rc = rc != 0 ? rc : d->ops->key(d->sink, (const char *)key.ptr, key.len);
  if (rc != 0) {
    return rc;
  }
  skip_space(d);
  return accept(d, ':') ? value(d) : bad(d, "expected : after a key");
}

static int map(decoder *d) {
  int rc = enter(d);
  if (rc != 0) {
    return rc;
  }
  skip_space(d);
  bool empty = accept(d, '}');
  rc = d->ops->map_begin(d->sink, empty ? 0 : PERI_COUNT_UNKNOWN);
  while (rc == 0 && !empty) {
    rc = entry(d);
    skip_space(d);
    if (rc != 0 || accept(d, '}')) {
      break;
    }
    rc = accept(d, ',') ? 0 : bad(d, "expected , or } in an object");
  }
  d->depth--;
  return rc != 0 ? rc : d->ops->map_end(d->sink);
}

static int word(decoder *d, uint8_t first) {
  int rc = first == 'n' ? literal(d, "null", 4)
                        : (first == 't' ? literal(d, "true", 4) : literal(d, "false", 5));
  if (rc != 0) {
    return rc;
  }
  return first == 'n' ? d->ops->null(d->sink) : d->ops->boolean(d->sink, first == 't');
}

static int value(decoder *d) {
  skip_space(d);
  if (d->at == d->end) {
    return bad(d, "");
  }
  switch (*d->at) {
  case '"': return string(d);
  case '{': return map(d);
  case '[': return list(d);
  case '-':
  case '0':
  case '1':
  case '2':
  case '3':
  case '4':
  case '5':
  case '6':
  case '7':
  case '8':
  case '9': return number(d);
  case 'n':
  case 't':
  case 'f': return word(d, *d->at);
  default: return bad(d, "unexpected character");
  }
}

int peri_json_decode(peri_bytes in, const peri_value_limits *limits, peri_sink *sink, size_t *used,
                     peri_err *err) {
  decoder d;
  d.at = d.start = in.ptr != NULL ? in.ptr : (const uint8_t *)"";
  d.end = d.start + in.len;
  d.ops = sink->ops;
  d.sink = sink->self;
  d.err = err;
  d.scratch = peri_scratch_get();
  d.elements = limits->elements;
  d.max_string = limits->string;
  d.depth = 0;
  d.max_depth = peri_value_depth(limits);
  d.exact = limits->exact;
  if (err != NULL) {
    err->code = 0;
  }
  int rc = value(&d);
  if (rc == 0) {
    skip_space(&d);
    if (used != NULL) {
      *used = (size_t)(d.at - d.start);
    } else if (d.at != d.end) {
      rc = bad(&d, "bytes after the value");
    }
  }
  if (rc != 0 && err != NULL && err->code == 0) {
    fail(&d, rc, peri_code_text(rc));
  }
  return rc;
}
