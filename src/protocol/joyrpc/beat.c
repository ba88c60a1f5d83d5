// SPDX-License-Identifier: MIT
// What happens by the clock. Client: heartbeats and session beats. Server: eviction of sessions
// whose client has stopped beating.
#include "protocol/counters.h"
#include "protocol/joyrpc/opening.h"

enum { BEAT_MIN = 15000, BEAT_MAX = 30000 };

uint64_t joy_session_beat_ms(const peri_session *session) {
  uint64_t beat = session->timeout_ms / 4;
  beat = beat > BEAT_MIN ? beat : BEAT_MIN;
  return beat < BEAT_MAX ? beat : BEAT_MAX;
}

static uint64_t sooner(uint64_t a, uint64_t b) {
  return b != 0 && (a == 0 || b < a) ? b : a;
}

static peri_session *first_session(peri_conn *conn) {
  return peri_list_empty(&conn->sessions) ? NULL
                                          : peri_container(conn->sessions.next, peri_session, link);
}

static void beat(peri_conn *conn) {
  const peri_session *session = first_session(conn);
  joy_frame frame = {.type = JOY_BEAT,
                     .serializer = PERI_SER_HESSIAN,  // JoyRPC answers in it, and must know it
                     .id = (uint32_t)peri_conn_next_stream(conn),
                     .timeout_ms = JOY_TIMEOUT};
  if (session != NULL) {
    frame.session = session->id;
    frame.serializer = session->serializer->id;
  }
  joy_frame_send(conn, &frame);
}

// JoyRPC peers expect a body of no fields; ours nothing.
static void session_beat(peri_conn *conn, const peri_session *session) {
  joy_frame frame = {.type = JOY_SESSION_BEAT,
                     .serializer = session->serializer->id,
                     .id = (uint32_t)peri_conn_next_stream(conn),
                     .session = session->id,
                     .timeout_ms = JOY_TIMEOUT};
  peri_buf body = {0};
  if (!session->native) {
    joy_writer w;
    joy_writer_begin(&w, session->serializer, &conn->limits->value,
                     "io.joyrpc.protocol.message.session.Sessionbeat", &body);
    if (joy_writer_end(&w) == 0) {
      frame.body = (peri_bytes){body.data, body.len};
    }
  }
  joy_frame_send(conn, &frame);
  peri_buf_fini(&body);
}

static uint64_t session_beats(peri_conn *conn, uint64_t now_ms) {
  uint64_t next = 0;
  for (peri_list *node = conn->sessions.next; node != &conn->sessions; node = node->next) {
    peri_session *session = peri_container(node, peri_session, link);
    uint64_t interval = joy_session_beat_ms(session);
    if (now_ms >= session->last_beat_ms + interval) {
      session->last_beat_ms = now_ms;
      session_beat(conn, session);
    }
    next = sooner(next, session->last_beat_ms + interval - now_ms);
  }
  return next;
}

static bool has_evicted(const peri_conn *conn) {
  const peri_list *node = conn->sessions.next;
  while (node != &conn->sessions &&
         !peri_container((peri_list *)node, peri_session, link)->evicted) {
    node = node->next;
  }
  return node != &conn->sessions;
}

static uint64_t sweep(peri_conn *conn, uint64_t now_ms) {
  uint64_t next = 0;
  if (has_evicted(conn)) {
    peri_conn_sessions_mark(conn);
  }
  for (peri_list *node = conn->sessions.next, *after; node != &conn->sessions; node = after) {
    after = node->next;
    peri_session *session = peri_container(node, peri_session, link);
    uint64_t end = session->last_beat_ms + session->timeout_ms;
    if (session->evicted || now_ms >= end) {
      if (!session->evicted) {
        peri_protocol_count(PERI_COUNT_EVICTED);
      }
      peri_conn_session_free(conn, session);
      next = conn->calls_open != 0 ? sooner(next, 1000) : next;
    } else {
      next = sooner(next, end - now_ms);
    }
  }
  return next;
}

uint64_t joy_tick(peri_conn *conn, uint64_t now_ms) {
  if (conn->server) {
    return sooner(sweep(conn, now_ms), joy_goodbye_tick(conn, now_ms));
  }
  uint64_t next = joy_openings_tick(conn, now_ms);
  next = sooner(next, peri_conn_beat(conn, now_ms, "JOYRPC-BEAT", beat));
  return conn->closing ? 0 : sooner(next, session_beats(conn, now_ms));
}
