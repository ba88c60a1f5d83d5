// SPDX-License-Identifier: MIT
// Requests in fastjson (serialization 6), and their answers: each value of a body is a line of
// JSON. The arguments become one list, for the serializer of JSON. A failure is always a status:
// nobody reads an exception in JSON.
#include "protocol/dubbo/fastjson.h"

#include "protocol/dubbo/generic.h"
#include "protocol/serializer/builtin.h"

typedef struct lines {
  peri_bytes rest;
  peri_err *err;
} lines;

static int next_line(lines *in, peri_bytes *line) {
  const uint8_t *end = in->rest.len != 0 ? memchr(in->rest.ptr, '\n', in->rest.len) : NULL;
  if (in->rest.len == 0) {
    return peri_fail(in->err, PERI_EBAD_REQUEST, "the body ends too early");
  }
  size_t len = end != NULL ? (size_t)(end - in->rest.ptr) : in->rest.len;
  *line = (peri_bytes){in->rest.ptr, len};
  len += end != NULL;
  in->rest = (peri_bytes){in->rest.ptr + len, in->rest.len - len};
  while (line->len != 0 && line->ptr[line->len - 1] == '\r') {
    line->len--;
  }
  return 0;
}

// Names need no escapes.
static int next_text(lines *in, peri_bytes *text) {
  peri_bytes line = {NULL, 0};
  int rc = next_line(in, &line);
  if (rc != 0) {
    return rc;
  }
  if (line.len == 4 && memcmp(line.ptr, "null", 4) == 0) {
    *text = (peri_bytes){NULL, 0};
    return 0;
  }
  if (line.len < 2 || line.ptr[0] != '"' || line.ptr[line.len - 1] != '"' ||
      memchr(line.ptr, '\\', line.len) != NULL) {
    return peri_fail(in->err, PERI_EBAD_REQUEST, "the head of the request is no plain text");
  }
  *text = (peri_bytes){line.ptr + 1, line.len - 2};
  return 0;
}

static int head_read(lines *in, dubbo_head *head) {
  peri_bytes *texts[] = {&head->version, &head->path, &head->service_version, &head->method,
                         &head->types};
  for (size_t i = 0; i < 5; i++) {
    int rc = next_text(in, texts[i]);
    if (rc != 0) {
      return rc;
    }
  }
  return dubbo_head_check(head, in->err);
}

enum { NESTED_MAX = 128 };

// Behind the quote that ends the string which begins at `at`.
static size_t skip_string(peri_bytes json, size_t at) {
  for (at++; at < json.len && json.ptr[at] != '"'; at++) {
    at += json.ptr[at] == '\\';
  }
  return at + 1;
}

static bool is_bare(uint8_t byte) {
  return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') || byte == '-' ||
         byte == '.' || byte == '+' || byte == 'E';
}

// What is open, and whether a key comes next.
typedef struct scan {
  bool objects[NESTED_MAX];
  uint32_t depth;
  bool key;
} scan;

static void step(scan *s, uint8_t byte) {
  if (byte == '{' || byte == '[') {
    s->objects[++s->depth] = byte == '{';
    s->key = byte == '{';
  } else if (byte == '}' || byte == ']') {
    s->depth -= s->depth > 0;
    s->key = false;
  } else if (byte != ' ') {
    s->key = byte == ',' && s->objects[s->depth];
  }
}

bool dubbo_fastjson_quote(peri_bytes json, peri_buf *out) {
  scan s = {.depth = 0};
  size_t copied = 0;
  for (size_t at = 0; at < json.len && s.depth < NESTED_MAX - 1;) {
    if (json.ptr[at] == '"') {
      s.key = false;
      at = skip_string(json, at);
    } else if (s.key && is_bare(json.ptr[at])) {
      peri_buf_add(out, json.ptr + copied, at - copied);
      copied = at;
      while (at < json.len && is_bare(json.ptr[at])) {
        at++;
      }
      peri_buf_add_u8(out, '"');
      peri_buf_add(out, json.ptr + copied, at - copied);
      peri_buf_add_u8(out, '"');
      copied = at;
      s.key = false;
    } else {
      step(&s, json.ptr[at++]);
    }
  }
  if (copied != 0) {
    peri_buf_add(out, json.ptr + copied, json.len - copied);
  }
  return copied != 0;
}

static void add_value(peri_buf *out, peri_bytes line) {
  if (!dubbo_fastjson_quote(line, out)) {
    peri_buf_add(out, line.ptr, line.len);
  }
}

// Lines as a list: the arguments, or the third of them when the call is generic.
static int arguments_read(lines *in, dubbo_head *head, peri_buf *out) {
  peri_bytes line;
  int rc = 0;
  if (head->generic) {
    rc = next_text(in, &head->method);
    rc = rc != 0 ? rc : next_line(in, &line);
    rc = rc != 0 ? rc : next_line(in, &line);
    bool null = rc == 0 && line.len == 4 && memcmp(line.ptr, "null", 4) == 0;
    line = null ? peri_bytes_of("[]") : line;
    if (rc == 0) {
      add_value(out, line);
    }
    return rc;
  }
  peri_buf_add_u8(out, '[');
  for (uint32_t i = 0; i < head->count && rc == 0; i++) {
    rc = next_line(in, &line);
    if (rc == 0) {
      peri_buf_add(out, i > 0 ? "," : "", i > 0);
      add_value(out, line);
      bool null = line.len == 4 && memcmp(line.ptr, "null", 4) == 0;
      head->nulls |= null && i < 64 ? UINT64_C(1) << i : 0;
    }
  }
  peri_buf_add_u8(out, ']');
  return rc;
}

// In Hessian, so that there is one reader of them.
static int attachments_read(peri_conn *conn, lines *in, peri_buf *out, dubbo_attachments *found) {
  peri_bytes line;
  const peri_value_limits *limits = &conn->limits->value;
  *found = (dubbo_attachments){0};
  if (in->rest.len == 0) {
    return 0;
  }
  int rc = next_line(in, &line);
  rc = rc != 0 ? rc
               : peri_serializer_transcode(&peri_serializer_json, line,
                                           &peri_serializer_hessian2_dubbo, limits, out, in->err);
  if (rc == 0) {
    peri_hessian_reader r;
    peri_hessian_reader_init(&r, (peri_bytes){out->data, out->len}, limits, in->err);
    rc = dubbo_attachments_read(&r, found);
  }
  return rc;
}

int dubbo_fastjson_read(peri_conn *conn, peri_event *event, dubbo_fastjson *read, dubbo_head *head,
                        dubbo_attachments *found, peri_err *err) {
  lines in = {event->body, err};
  *head = (dubbo_head){0};
  int rc = head_read(&in, head);
  rc = rc != 0 ? rc : arguments_read(&in, head, &read->arguments);
  rc = rc != 0 ? rc : attachments_read(conn, &in, &read->attachments, found);
  if (rc == 0) {
    head->echoed = head->echo ? (peri_bytes){read->arguments.data + 1, read->arguments.len - 2}
                              : (peri_bytes){NULL, 0};
    event->body = (peri_bytes){read->arguments.data, read->arguments.len};
    event->attachments = (peri_bytes){read->attachments.data, read->attachments.len};
    event->attachments_ser = PERI_SER_HESSIAN_DUBBO;
  }
  return rc;
}

void dubbo_fastjson_free(dubbo_fastjson *read) {
  peri_buf_fini(&read->arguments);
  peri_buf_fini(&read->attachments);
}

// ---- out ------------------------------------------------------------------------------------

int dubbo_fastjson_text(peri_conn *conn, peri_bytes text) {
  peri_encoder encoder;
  peri_sink sink;
  peri_serializer_json.encoder_init(&encoder, peri_conn_out(conn), &conn->limits->value, NULL,
                                    &sink);
  int rc = sink.ops->string(sink.self, (const char *)text.ptr, text.len);
  rc = rc != 0 ? rc : peri_serializer_json.encoder_finish(&encoder);
  peri_buf_add_u8(peri_conn_out(conn), '\n');
  return rc;
}

static bool sends_attachments(peri_conn *conn, const peri_event *event) {
  return event->attachments.len != 0 && dubbo_state_of(conn)->reads_attachments;
}

int dubbo_fastjson_begin(peri_conn *conn, const peri_event *event, peri_mark *mark) {
  peri_buf *out = peri_conn_out(conn);
  uint8_t status = event->code != 0 ? dubbo_status_of_code(event->code, true) : DUBBO_OK;
  int rc = 0;
  mark->start = out->len;
  dubbo_frame_begin(out, DUBBO_FASTJSON, status, event->stream);
  if (event->code != 0) {
    char text[DUBBO_TEXT_MAX];
    rc = dubbo_fastjson_text(conn, dubbo_text_of_code(event->code, event->message, text));
  } else {
    peri_buf_add(out, sends_attachments(conn, event) ? "4\n" : "1\n", 2);
  }
  mark->body = out->len;
  if (rc != 0) {
    out->len = mark->start;
  }
  return rc;
}

int dubbo_fastjson_end(peri_conn *conn, const peri_event *event, const peri_mark *mark) {
  peri_buf *out = peri_conn_out(conn);
  if (event->code != 0) {
    return 0;
  }
  if (out->len == mark->body) {
    out->data[mark->start + DUBBO_HEADER]++;  // from "value" to "nothing", with attachments or not
  } else {
    peri_buf_add_u8(out, '\n');
  }
  if (!sends_attachments(conn, event)) {
    return 0;
  }
  const peri_serializer *from = peri_serializer_by_id(event->attachments_ser);
  int rc = from == NULL ? PERI_EBAD_REQUEST
                        : peri_serializer_transcode(from, event->attachments, &peri_serializer_json,
                                                    &conn->limits->value, out, NULL);
  peri_buf_add_u8(out, '\n');
  return rc;
}

// ---- the serializer ---------------------------------------------------------------------------

static void encoder_init(void *encoder, peri_buf *out, const peri_value_limits *limits,
                         peri_err *err, peri_sink *sink) {
  peri_serializer_json.encoder_init(encoder, out, limits, err, sink);
}

static int encoder_finish(void *encoder) {
  return peri_serializer_json.encoder_finish(encoder);
}

static int decode(peri_bytes in, const peri_value_limits *limits, peri_sink *sink, size_t *used,
                  peri_err *err) {
  return peri_serializer_json.decode(in, limits, sink, used, err);
}

const peri_serializer peri_serializer_dubbo_json = {
    .name = "json",
    .provider = "dubbo2",
    .id = PERI_SER_DUBBO_JSON,
    .alone = PERI_SER_HESSIAN_DUBBO,
    .inner = true,
    .encoder_init = encoder_init,
    .encoder_finish = encoder_finish,
    .decode = decode,
};

const peri_serializer peri_serializer_dubbo_json_generic = {
    .name = "json",
    .provider = "dubbo2-generic",
    .id = PERI_SER_DUBBO_JSON_GENERIC,
    .inner = true,
    .encoder_init = dubbo_generic_json_encoder_init,
    .encoder_finish = dubbo_generic_encoder_finish,
    .decode = decode,
};
