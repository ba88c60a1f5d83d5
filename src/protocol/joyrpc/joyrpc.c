// SPDX-License-Identifier: MIT
#include "protocol/joyrpc/joyrpc.h"

#include "protocol/joyrpc/opening.h"

static peri_match match(const uint8_t *data, size_t len) {
  if (len == 0) {
    return PERI_MATCH_NEED;
  }
  if (data[0] != 0xAD || (len > 1 && data[1] != 0xD0)) {
    return PERI_MATCH_NO;
  }
  return len > 1 ? PERI_MATCH_YES : PERI_MATCH_NEED;
}

static int init(peri_conn *conn) {
  peri_list_init(&joy_state_of(conn)->openings);
  peri_conn_beat_begin(conn);
  return 0;
}

static void fini(peri_conn *conn) {
  joy_openings_fail(conn, PERI_ECLOSED, "the connection closed during negotiation");
}

static int wrong_type(peri_conn *conn, const joy_frame *frame) {
  return peri_conn_complain(conn, PERI_EPROTOCOL, "JOYRPC-TYPE",
                            "message type %u is not expected from this peer", frame->type);
}

static int on_session_beat(peri_conn *conn, const joy_frame *frame) {
  peri_session *session = joy_session(conn, frame->session);
  if (session != NULL) {
    session->last_beat_ms = peri_conn_now_ms(conn);
  }
  return 0;
}

static int answer_bare(peri_conn *conn, const joy_frame *frame, joy_type type) {
  joy_answer(conn, frame, type, (peri_bytes){NULL, 0});
  return 0;
}

// What a server hears beside calls.
static int on_server(peri_conn *conn, const joy_frame *frame) {
  switch (frame->type) {
  case JOY_SHAKE: return answer_bare(conn, frame, JOY_SHAKE_REPLY);
  case JOY_NEGOTIATE: return joy_on_negotiate(conn, frame);
  case JOY_BEAT: return answer_bare(conn, frame, JOY_BEAT_REPLY);
  case JOY_SESSION_BEAT: return on_session_beat(conn, frame);
  case JOY_AUTHENTICATE: return joy_on_authenticate(conn, frame);
  case JOY_SESSION:
  case JOY_OFFLINE_REPLY: return 0;
  default: return wrong_type(conn, frame);
  }
}

static int on_client(peri_conn *conn, const joy_frame *frame) {
  switch (frame->type) {
  case JOY_NEGOTIATE_REPLY: return joy_on_negotiate_reply(conn, frame);
  case JOY_AUTHENTICATE_REPLY: return joy_on_authenticate_reply(conn, frame);
  case JOY_OFFLINE: peri_conn_peer_drains(conn, UINT64_MAX); return 0;
  case JOY_SHAKE_REPLY:
  case JOY_BEAT_REPLY:  // its bytes were the answer
  case JOY_SESSION_REPLY: return 0;
  default: return wrong_type(conn, frame);
  }
}

static int dispatch(peri_conn *conn, const joy_frame *frame) {
  if (frame->type <= JOY_CALLBACK_REPLY || frame->type >= JOY_DATA) {
    return joy_on_call(conn, frame);
  }
  return conn->server ? on_server(conn, frame) : on_client(conn, frame);
}

static ssize_t feed(peri_conn *conn, peri_block *block, const uint8_t *data, size_t len,
                    size_t *need) {
  size_t used = 0;
  joy_frame frame = {.block = block};
  while (used < len && !conn->closing) {
    ssize_t size = joy_frame_decode(conn, data + used, len - used, need, &frame);
    if (size <= 0) {
      return size < 0 ? size : (ssize_t)used;
    }
    if (__builtin_expect(conn->draining, 0) && joy_goodbye_overtakes(conn, &frame)) {
      return (ssize_t)used;
    }
    used += (size_t)size;
    if (used < len) {
      __builtin_prefetch(data + used);  // the head of the next frame
    }
    conn->frames_in++;
    int code = dispatch(conn, &frame);
    if (code != 0) {
      return code;
    }
  }
  return (ssize_t)used;
}

static const char *const tags[] = {
    "JOYRPC-FRAME", "JOYRPC-TOO-BIG",       "JOYRPC-ATTRIBUTE",   "JOYRPC-TYPE", "JOYRPC-HEAD",
    "JOYRPC-BEAT",  "JOYRPC-SERIALIZATION", "JOYRPC-NEGOTIATION", NULL,
};

const peri_protocol peri_joyrpc = {
    .name = "joyrpc",
    .scheme = "joy",
    .function_class = JOY_FUNCTION,
    .abilities =
        PERI_CAN_ONEWAY | PERI_CAN_STREAM | PERI_CAN_CANCEL | PERI_CAN_CALLBACK | PERI_CAN_GOAWAY,
    .state_size = sizeof(joy_state),
    .match_max = 2,
    .tags = tags,
    .match = match,
    .init = init,
    .fini = fini,
    .feed = feed,
    .begin = joy_begin,
    .end = joy_end,
    .abort = joy_abort,
    .emit = joy_emit,
    .reply = joy_reply,
    .reply_begin = joy_reply_begin,
    .reply_end = joy_reply_end,
    .request = joy_request,
    .open_session = joy_open_session,
    .authenticated = joy_authenticated,
    .tick = joy_tick,
    .drain = joy_drain,
};
