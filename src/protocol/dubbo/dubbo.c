// SPDX-License-Identifier: MIT
#include "protocol/dubbo/dubbo.h"

#include "protocol/dubbo/fastjson.h"

// A consumer connects before it calls, and its first heartbeat comes after 60 s. Java's providers
// wait for three of them.
enum { SILENT_MS = 180000 };

static const char readonly[] = "R";

static peri_match match(const uint8_t *data, size_t len) {
  if (len == 0) {
    return PERI_MATCH_NEED;
  }
  if (data[0] != 0xDA || (len > 1 && data[1] != 0xBB)) {
    return PERI_MATCH_NO;
  }
  return len > 1 ? PERI_MATCH_YES : PERI_MATCH_NEED;
}

static int init(peri_conn *conn) {
  peri_conn_beat_begin(conn);
  return 0;
}

static void fini(peri_conn *conn) {
  (void)conn;
}

// ---- in -------------------------------------------------------------------------------------

// In Hessian or fastjson.
static bool is_readonly(peri_bytes body) {
  return peri_bytes_equal(body, peri_bytes_of("\1R")) ||
         peri_bytes_equal(body, peri_bytes_of("\"R\"\n"));
}

// Whatever else an event says, Dubbo takes it for a heartbeat.
static int on_event(peri_conn *conn, const dubbo_frame *frame) {
  conn->settled = true;
  if ((frame->flag & DUBBO_REQUEST) == 0) {
    return 0;  // its bytes were the answer
  }
  if ((frame->flag & DUBBO_TWO_WAY) != 0) {
    dubbo_event_send(conn, 0, DUBBO_OK, frame->id, NULL);
  }
  if (!conn->server && is_readonly(frame->body)) {
    peri_conn_peer_drains(conn, UINT64_MAX);
  }
  return 0;
}

static int dispatch(peri_conn *conn, const dubbo_frame *frame) {
  if ((frame->flag & DUBBO_EVENT) != 0) {
    return on_event(conn, frame);
  }
  return (frame->flag & DUBBO_REQUEST) == 0 ? dubbo_on_response(conn, frame)
                                            : dubbo_on_request(conn, frame);
}

static ssize_t feed(peri_conn *conn, peri_block *block, const uint8_t *data, size_t len,
                    size_t *need) {
  size_t used = 0;
  dubbo_frame frame = {.block = block};
  while (used < len && !conn->closing) {
    ssize_t size = dubbo_frame_decode(conn, data + used, len - used, need, &frame);
    if (size <= 0) {
      return size < 0 ? size : (ssize_t)used;
    }
    used += (size_t)size;
    conn->frames_in++;
    int code = dispatch(conn, &frame);
    if (code != 0) {
      return code;
    }
  }
  return (ssize_t)used;
}

// ---- out ------------------------------------------------------------------------------------

static int begin(peri_conn *conn, const peri_event *event, peri_mark *mark) {
  if (conn->closing) {
    return PERI_ECLOSED;
  }
  switch (event->type) {
  case PERI_EV_OPEN: return dubbo_request_begin(conn, event, mark);
  case PERI_EV_REPLY: return dubbo_response_begin(conn, event, mark);
  default: return PERI_ENO_METHOD;  // no streams
  }
}

static void abort_message(peri_conn *conn, const peri_mark *mark) {
  peri_conn_out(conn)->len = mark->start;
}

// Nobody waits for less than an answer: one that cannot be sent becomes an error.
static int answer_failure(peri_conn *conn, const peri_event *event, int code) {
  peri_mark mark;
  peri_event failure = {
      .type = PERI_EV_REPLY,
      .flags = PERI_EV_END,
      .code = code == PERI_ETOO_BIG ? code : PERI_EINTERNAL,
      .serializer = dubbo_is_fastjson(event->serializer) ? event->serializer : 0,
      .stream = event->stream,
      .message = peri_bytes_of(code == PERI_ETOO_BIG ? "the result is over frame_size"
                                                     : "the result cannot be encoded"),
  };
  int rc = dubbo_response_begin(conn, &failure, &mark);
  rc = rc != 0 ? rc : dubbo_frame_seal(conn, mark.start);
  if (rc != 0) {
    abort_message(conn, &mark);
  }
  return rc;
}

static int give_up(peri_conn *conn, const peri_event *event, const peri_mark *mark, int code) {
  abort_message(conn, mark);
  return event->type == PERI_EV_REPLY && event->code == 0 ? answer_failure(conn, event, code)
                                                          : code;
}

static int end(peri_conn *conn, const peri_event *event, const peri_mark *mark) {
  int rc = event->type == PERI_EV_OPEN ? dubbo_request_end(conn, event, mark)
                                       : dubbo_response_end(conn, event, mark);
  rc = rc != 0 ? rc : dubbo_frame_seal(conn, mark->start);
  return rc != 0 ? give_up(conn, event, mark, rc) : 0;
}

// Bodies are plain Hessian here, unless the peer asked in JSON.
static int add_body(peri_conn *conn, const peri_event *event) {
  const peri_serializer *from = peri_serializer_by_id(event->serializer);
  peri_buf plain = {0};
  const peri_serializer *to = dubbo_is_fastjson(event->serializer) ? from : &peri_serializer_dubbo;
  peri_bytes body = event->body;
  int code = 0;
  if (event->compression != 0) {
    const peri_compression *compression = peri_compression_by_id(event->compression);
    code = compression != NULL ? compression->decompress(body, conn->limits->frame, &plain)
                               : PERI_EBAD_REQUEST;
    body = (peri_bytes){plain.data, plain.len};
  }
  code = code != 0 || from != NULL ? code : PERI_EBAD_REQUEST;
  code = code != 0 ? code
                   : peri_serializer_transcode(from, body, to, &conn->limits->value,
                                               peri_conn_out(conn), NULL);
  peri_buf_fini(&plain);
  return code;
}

static int emit_message(peri_conn *conn, const peri_event *event) {
  peri_mark mark;
  int code = begin(conn, event, &mark);
  if (code != 0) {
    return code;
  }
  code = event->body.len != 0 && event->code == 0 ? add_body(conn, event) : 0;
  return code != 0 ? give_up(conn, event, &mark, code) : end(conn, event, &mark);
}

static int emit(peri_conn *conn, const peri_event *event) {
  if (conn->closing) {
    return PERI_ECLOSED;
  }
  switch (event->type) {
  case PERI_EV_PING:
    dubbo_event_send(conn, DUBBO_REQUEST | DUBBO_TWO_WAY, 0, peri_conn_next_stream(conn), NULL);
    return 0;
  case PERI_EV_GOAWAY:
    if (conn->server) {
      dubbo_event_send(conn, DUBBO_REQUEST, 0, peri_conn_next_stream(conn), readonly);
    }
    return 0;
  default: return emit_message(conn, event);
  }
}

// NULL for one that Dubbo has not.
static const peri_serializer *choose(const char *name) {
  const peri_serializer *named = name != NULL ? peri_serializer_by_name(name) : NULL;
  bool hessian =
      named != NULL && (named->id == PERI_SER_HESSIAN || named->id == PERI_SER_HESSIAN_DUBBO);
  if (name == NULL || hessian) {
    return &peri_serializer_dubbo;
  }
  return named != NULL && named->id == PERI_SER_JSON ? &peri_serializer_dubbo_json : NULL;
}

// There is nothing to agree on: the session only keeps interface, alias and serialization.
static int open_session(peri_conn *conn, const peri_session_params *params, peri_session_fn done,
                        void *arg) {
  const peri_serializer *serializer = choose(params->serializer);
  if (serializer == NULL) {
    done(arg, NULL, PERI_ECONFIG, "over Dubbo serialization is 'hessian2', or 'json' for fastjson");
    return 0;
  }
  peri_session *session =
      peri_conn_session_new(conn, ++conn->next_session, peri_bytes_of(params->iface),
                            peri_bytes_of(params->alias != NULL ? params->alias : ""));
  if (session == NULL) {
    return PERI_ELIMITED;
  }
  session->serializer = serializer;
  done(arg, session, 0, NULL);
  return 0;
}

// ---- heartbeats -------------------------------------------------------------------------------

static void beat(peri_conn *conn) {
  emit(conn, &(peri_event){.type = PERI_EV_PING});
}

static uint64_t tick(peri_conn *conn, uint64_t now_ms) {
  return conn->server ? 0 : peri_conn_beat(conn, now_ms, "DUBBO-BEAT", beat);
}

static void drain(peri_conn *conn) {
  peri_event goaway = {.type = PERI_EV_GOAWAY};
  emit(conn, &goaway);
}

static const char *const tags[] = {"DUBBO-FRAME", "DUBBO-TOO-BIG", "DUBBO-BEAT", NULL};

const peri_protocol peri_dubbo = {
    .name = "dubbo",
    .abilities = PERI_CAN_ONEWAY | PERI_CAN_GOAWAY | PERI_CAN_CALLBACK | PERI_CALLBACK_BY_TYPE,
    .state_size = sizeof(dubbo_state),
    .match_max = 2,
    .silent_ms = SILENT_MS,
    .tags = tags,
    .match = match,
    .init = init,
    .fini = fini,
    .feed = feed,
    .begin = begin,
    .end = end,
    .abort = abort_message,
    .emit = emit,
    .open_session = open_session,
    .tick = tick,
    .drain = drain,
};
