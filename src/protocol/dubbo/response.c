// SPDX-License-Identifier: MIT
// Responses in and out. A result that stands by itself is handed on as plain Hessian.
#include "protocol/dubbo/dubbo.h"

#include "protocol/dubbo/fastjson.h"

// ---- in -------------------------------------------------------------------------------------

// What reading needed beside the body it came in.
typedef struct reading {
  peri_hessian_reader r;
  peri_err err;
  peri_buf text;   // of the error
  peri_buf map;    // attachments
  peri_buf plain;  // the body, where it is not that of the frame
} reading;

static int failed(const dubbo_frame *frame, reading *g, peri_bytes text, peri_event *event) {
  bool retry;
  const char *hint = NULL;
  event->code = dubbo_code_of_status(frame->status, &retry);
  if (text.len != 0) {
    if (dubbo_code_of_text(frame->status, &text, &event->code)) {
      retry = event->code != PERI_ETIMEOUT;  // of ours, which says by an exception what ran
    } else {
      hint = dubbo_code_of_words(frame->status, text, &event->code);
      retry = retry || hint != NULL;
    }
    // Java puts the whole stack trace there.
    const uint8_t *line = text.len != 0 ? memchr(text.ptr, '\n', text.len) : NULL;
    peri_buf_add(&g->text, text.ptr, line != NULL ? (size_t)(line - text.ptr) : text.len);
    peri_buf_add(&g->text, hint, hint != NULL ? strlen(hint) : 0);
  }
  event->flags |= retry ? PERI_EV_NOT_RUN : 0;
  return 0;
}

static int failed_in_hessian(const dubbo_frame *frame, reading *g, peri_event *event) {
  peri_bytes text = {NULL, 0};
  if (peri_hessian_peek(&g->r) == PERI_HESSIAN_STRING) {
    peri_hessian_read_string(&g->r, &text);
  }
  return failed(frame, g, text, event);
}

int dubbo_value_read(peri_hessian_reader *r, peri_bytes *value, bool last) {
  const uint8_t *at = r->at;
  int rc = last ? 0 : peri_hessian_skip(r);
  const uint8_t *end = last ? r->end : r->at;
  if (end - at != 1 || *at != 'N') {
    *value = (peri_bytes){at, (size_t)(end - at)};
  }
  return rc;
}

// What Java adds to each response, and nobody asked for: {dubbo: "2.0.2"}, or an empty map.
static bool says_nothing(peri_bytes map) {
  static const char head[] = "H\5dubbo";
  const size_t len = sizeof head - 1;
  if (map.len <= 2) {
    return true;
  }
  return map.len > len + 1 && memcmp(map.ptr, head, len) == 0 && map.ptr[len] < 32 &&
         map.len == len + 2 + map.ptr[len] && map.ptr[map.len - 1] == 'Z';
}

static int answered(peri_conn *conn, reading *g, peri_event *event) {
  int32_t kind = -1;
  int rc = peri_hessian_read_int(&g->r, &kind);
  if (rc != 0 || kind < DUBBO_EXCEPTION || kind > DUBBO_NOTHING + DUBBO_WITH_ATTACHMENTS) {
    return rc != 0 ? rc
                   : peri_fail(&g->err, PERI_EPROTOCOL, "a response of kind %d is not known", kind);
  }
  bool more = kind >= DUBBO_WITH_ATTACHMENTS;
  kind -= more ? DUBBO_WITH_ATTACHMENTS : 0;
  if (kind == DUBBO_VALUE) {
    rc = dubbo_value_read(&g->r, &event->body, !more);
  } else if (kind == DUBBO_EXCEPTION) {
    const uint8_t *at = g->r.at;
    rc = dubbo_error_read(&g->r, &g->text, &event->code);
    event->body = (peri_bytes){at, rc == 0 ? (size_t)(g->r.at - at) : 0};
    rc = rc < 0 ? rc : 0;
  }
  bool some = rc == 0 && more && peri_hessian_peek(&g->r) == PERI_HESSIAN_MAP &&
              !says_nothing((peri_bytes){g->r.at, (size_t)(g->r.end - g->r.at)});
  if (some && kind == DUBBO_EXCEPTION) {
    some = dubbo_error_named(g->r, &g->text, &event->code);
  }
  return some ? dubbo_attachments_convert(&g->r, &conn->limits->value, &g->map) : rc;
}

static int read_fastjson(peri_conn *conn, const dubbo_frame *frame, reading *g, peri_event *event) {
  event->serializer = PERI_SER_DUBBO_JSON;
  if (frame->status != DUBBO_OK) {
    peri_buf text = {0};
    int rc = dubbo_fastjson_failed(frame->body, &text);
    rc = rc != 0 ? rc : failed(frame, g, (peri_bytes){text.data, text.len}, event);
    peri_buf_fini(&text);
    return rc;
  }
  dubbo_fastjson_answer answer = {0};
  int rc = dubbo_fastjson_answered(conn, frame->body, &answer, &g->err);
  event->body = answer.value;
  event->code = answer.code;
  peri_buf_add(&g->text, answer.text.data, answer.text.len);
  peri_buf_add(&g->map, answer.map.data, answer.map.len);
  if (answer.plain.len != 0 && answer.value.len != 0) {
    peri_buf_add(&g->plain, answer.value.ptr, answer.value.len);
    event->body = (peri_bytes){g->plain.data, g->plain.len};
  }
  dubbo_fastjson_answer_free(&answer);
  return rc;
}

static void report(peri_conn *conn, reading *g, peri_event *event) {
  peri_block *own = NULL;
  event->message = (peri_bytes){g->text.data, g->text.len};
  if (g->map.len != 0) {
    event->attachments = (peri_bytes){g->map.data, g->map.len};
    event->attachments_ser = PERI_SER_MSGPACK;
  }
  if (g->text.len + g->map.len + g->plain.len != 0) {
    own = dubbo_join(event);
    if (own == NULL) {
      event->message.len = event->attachments.len = event->body.len = 0;
    }
  }
  event->block = own != NULL ? own : event->block;
  peri_conn_event(conn, event);
  peri_block_unref(own);
}

// A response that cannot be read fails its call, not the connection.
static void spoilt(reading *g, peri_event *event, int code) {
  event->code = code == PERI_ETOO_BIG ? code : PERI_EPROTOCOL;
  event->body = (peri_bytes){NULL, 0};
  g->text.len = 0;
  peri_buf_add(&g->text, g->err.text, strlen(g->err.text));
}

int dubbo_on_response(peri_conn *conn, const dubbo_frame *frame) {
  reading g = {0};
  unsigned serialization = frame->flag & DUBBO_SERIALIZATION;
  peri_event event = {
      .type = PERI_EV_REPLY,
      .flags = (uint8_t)(PERI_EV_END | (conn->server ? PERI_EV_CALLBACK : 0)),
      .serializer = PERI_SER_HESSIAN_DUBBO,
      .stream = frame->id,
      .block = frame->block,
  };
  int rc;
  peri_hessian_reader_init(&g.r, frame->body, &conn->limits->value, &g.err);
  if (serialization == DUBBO_FASTJSON) {
    rc = read_fastjson(conn, frame, &g, &event);
  } else if (serialization != DUBBO_HESSIAN2) {
    rc =
        peri_fail(&g.err, PERI_EPROTOCOL,
                  "the peer answered in serialization %u, not hessian2 or fastjson", serialization);
  } else {
    rc = frame->status == DUBBO_OK ? answered(conn, &g, &event)
                                   : failed_in_hessian(frame, &g, &event);
  }
  if (rc != 0) {
    spoilt(&g, &event, rc);
  }
  report(conn, &g, &event);
  peri_buf_fini(&g.text);
  peri_buf_fini(&g.map);
  peri_buf_fini(&g.plain);
  return 0;
}

// ---- out ------------------------------------------------------------------------------------

static bool sends_attachments(peri_conn *conn, const peri_event *event) {
  return event->attachments.len != 0 && dubbo_state_of(conn)->reads_attachments;
}

// The exception is given as a value of its own, which leans on nothing.
static bool is_thrown(const peri_event *event) {
  return event->body.len != 0 &&
         (event->serializer == PERI_SER_DUBBO || event->serializer == PERI_SER_HESSIAN_DUBBO);
}

// With what our own peers read beside it.
static int write_thrown(peri_conn *conn, const peri_event *event) {
  peri_buf named = {0};
  peri_buf_add(peri_conn_out(conn), event->body.ptr, event->body.len);
  if (!dubbo_state_of(conn)->reads_attachments) {
    return 0;
  }
  dubbo_error_name(event->code, event->message, &named);
  const peri_bytes fixed[] = {peri_bytes_of(DUBBO_ERROR), {named.data, named.len}};
  int rc = dubbo_attachments_write(conn, event, fixed, 1);
  peri_buf_fini(&named);
  return rc;
}

static int write_failure(peri_conn *conn, peri_encoder *encoder, const peri_event *event,
                         uint8_t status) {
  if (status != 0) {
    char text[DUBBO_TEXT_MAX];
    peri_bytes said = dubbo_text_of_code(event->code, event->message, text);
    return peri_hessian_write_string(encoder, said);
  }
  bool thrown = is_thrown(event);
  bool more = thrown && dubbo_state_of(conn)->reads_attachments;
  int rc = peri_hessian_write_int(encoder, DUBBO_EXCEPTION + (more ? DUBBO_WITH_ATTACHMENTS : 0));
  if (rc != 0 || thrown) {
    return rc != 0 ? rc : write_thrown(conn, event);
  }
  return event->serializer == PERI_SER_DUBBO_GENERIC
             ? dubbo_error_write_generic(encoder, event, &conn->limits->value)
             : dubbo_error_write(encoder, event->code, event->message);
}

int dubbo_response_begin(peri_conn *conn, const peri_event *event, peri_mark *mark) {
  if (dubbo_is_fastjson(event->serializer)) {
    return dubbo_fastjson_begin(conn, event, mark);
  }
  peri_buf *out = peri_conn_out(conn);
  peri_encoder encoder;
  peri_sink sink;
  uint8_t status = 0;
  if (event->code != 0) {
    status = dubbo_status_of_code(event->code, (event->flags & PERI_EV_NOT_RUN) != 0);
  }
  mark->start = out->len;
  dubbo_frame_begin(out, 0, status != 0 ? status : DUBBO_OK, event->stream);
  peri_hessian_writer_init(&encoder, out, &conn->limits->value, PERI_HESSIAN_DUBBO, NULL, &sink);
  int rc;
  if (event->code != 0) {
    rc = write_failure(conn, &encoder, event, status);
  } else {
    rc = peri_hessian_write_int(&encoder, sends_attachments(conn, event)
                                              ? DUBBO_VALUE + DUBBO_WITH_ATTACHMENTS
                                              : DUBBO_VALUE);
    peri_hessian_writer_keep(&encoder);
  }
  mark->body = out->len;
  if (rc != 0) {
    out->len = mark->start;
  }
  return rc;
}

int dubbo_response_end(peri_conn *conn, const peri_event *event, const peri_mark *mark) {
  if (dubbo_is_fastjson(event->serializer)) {
    return dubbo_fastjson_end(conn, event, mark);
  }
  peri_buf *out = peri_conn_out(conn);
  if (event->code != 0) {
    return 0;
  }
  if (out->len == mark->body) {
    out->data[mark->start + DUBBO_HEADER]++;  // from "value" to "nothing", with attachments or not
  }
  return sends_attachments(conn, event) ? dubbo_attachments_write(conn, event, NULL, 0) : 0;
}
