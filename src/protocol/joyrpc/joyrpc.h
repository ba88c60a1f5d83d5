// SPDX-License-Identifier: MIT
// JoyRPC's wire protocol and our native variant of it. One frame:
//
//   0   magic AD D0
//   2   u32 length        bytes of the frame - 2
//   6   u16 headerLength  18 + attributes
//   8   u8  type          joy_type
//   9   u32 msgId         1..INT32_MAX, of the side that asks
//   13  u32 sessionId     0 = none
//   17  u8  serialization
//   18  u8  compression
//   19  u32 timeout       ms
//   23  u8  attributes    each: key, type, value
//   ..  body
//
// On a session negotiated with perilune=1 the body is a clear head (head.c) and then the arguments or
// the result, to which alone serialization and compression apply. Otherwise the body is JoyRPC's
// envelope, read and written by the serializer of the frame (envelope.c).
//
// The machine keeps no bytes between calls of feed and allocates nothing per frame. One thread.
#pragma once
#include "protocol/conn.h"

enum {
  JOY_MAGIC = 0xADD0,
  JOY_PREFIX = 8,          // magic, length, headerLength
  JOY_HEADER = 24,         // without attributes
  JOY_LENGTH_MIN = 22,     // smallest value of the length field
  JOY_HEADER_LENGTH = 18,  // headerLength without attributes
  JOY_TIMEOUT = 5000,      // what every answer carries
  JOY_VERSION = 2400,      // buildVersion that we report
};

typedef enum joy_type {
  JOY_REQUEST = 1,
  JOY_REPLY = 2,
  JOY_CALLBACK = 4,
  JOY_CALLBACK_REPLY = 5,
  JOY_SHAKE = 6,
  JOY_SHAKE_REPLY = 7,
  JOY_NEGOTIATE = 8,
  JOY_NEGOTIATE_REPLY = 9,
  JOY_BEAT = 10,
  JOY_BEAT_REPLY = 11,
  JOY_SESSION = 12,
  JOY_SESSION_REPLY = 13,
  JOY_SESSION_BEAT = 14,
  JOY_OFFLINE = 15,
  JOY_OFFLINE_REPLY = 16,
  JOY_AUTHENTICATE = 17,
  JOY_AUTHENTICATE_REPLY = 18,
  JOY_DATA = 100,  // from here on: native only
  JOY_HALF_CLOSE = 101,
  JOY_CANCEL = 102,
  JOY_WINDOW = 103,
  JOY_GOAWAY = 104,
  JOY_TRAILERS = 105,
} joy_type;

// The class of functions among arguments.
#define JOY_FUNCTION "io.joyrpc.Callback"

enum { JOY_KEY_CALLBACK = 5 };  // attribute: callback id, string

// A frame that was cut out of the input. Everything is borrowed from it.
typedef struct joy_frame {
  uint8_t type;
  uint8_t serializer;
  uint8_t compression;
  uint32_t id;
  uint32_t session;
  uint32_t timeout_ms;
  peri_bytes callback;
  peri_bytes body;
  peri_block *block;
} joy_frame;

typedef struct joy_state {
  uint32_t last_in;  // server: msgId of the last request
  bool said_goaway;  // requests above last_in are refused here
  uint32_t goaway_at;
  uint64_t
      goodbye_by_ms;    // server, in a drain: when the notice is due at the latest, 0 = it is not
  uint64_t read_on_ms;  // when the call is read that it overtook, 0 = none waits
  peri_list openings;   // client: joy_opening
} joy_state;

extern const peri_protocol peri_joyrpc;

static inline joy_state *joy_state_of(peri_conn *conn) {
  return (joy_state *)conn->state;
}

static inline peri_session *joy_session(peri_conn *conn, uint32_t id) {
  if (id == 0) {
    return NULL;
  }
  peri_session *first = peri_container(conn->sessions.next, peri_session, link);
  return conn->sessions.next != &conn->sessions && first->id == id && !first->evicted
             ? first
             : peri_conn_session(conn, id);
}

static inline bool joy_is_native(const peri_conn *conn, const peri_session *session) {
  return session != NULL ? session->native : conn->native;
}

// frame.c
// Cuts one frame off [data, data+len). Returns its size, 0 when more is needed (*need = its size when
// known), or PERI_EPROTOCOL / PERI_ETOO_BIG after complaining.
ssize_t joy_frame_decode(peri_conn *conn, const uint8_t *data, size_t len, size_t *need,
                         joy_frame *frame);
// Bytes that joy_frame_put writes for a header with this callback id.
static inline size_t joy_header_size(peri_bytes callback) {
  return callback.len == 0 ? JOY_HEADER : JOY_HEADER + 4 + callback.len;
}
// Writes the header at `at` with the length of a frame whose body is frame->body.len. Returns the end.
static inline uint8_t *joy_frame_put(uint8_t *at, const joy_frame *frame) {
  size_t header = joy_header_size(frame->callback);
  peri_put_u16(at, JOY_MAGIC);
  peri_put_u32(at + 2, (uint32_t)(header + frame->body.len - 2));
  peri_put_u16(at + 6, (uint16_t)(header - 6));
  at[8] = frame->type;
  peri_put_u32(at + 9, frame->id);
  peri_put_u32(at + 13, frame->session);
  at[17] = frame->serializer;
  at[18] = frame->compression;
  peri_put_u32(at + 19, frame->timeout_ms);
  at[23] = frame->callback.len != 0;
  if (frame->callback.len != 0) {
    at[24] = JOY_KEY_CALLBACK;
    at[25] = 2;
    peri_put_u16(at + 26, (uint16_t)frame->callback.len);
    memcpy(at + 28, frame->callback.ptr, frame->callback.len);
  }
  return at + header;
}
// Appends a whole frame with a body of known bytes and touches the channel.
void joy_frame_send(peri_conn *conn, const joy_frame *frame);
// Fixes the length field of the frame at `start`, which ends at the end of the output plus `more`.
// PERI_ETOO_BIG when it is over limits->frame.
int joy_frame_seal(peri_conn *conn, size_t start, size_t more);

// head.c: the clear heads of native frames
// Fill `event` from the body; false when it is malformed. *end is where arguments or result begin.
bool joy_request_head_read(peri_bytes body, size_t limit, peri_event *event);
bool joy_reply_head_read(peri_bytes body, size_t limit, peri_event *event);
// Size of the head with its length field, or PERI_E*.
ssize_t joy_request_head_size(const peri_event *event);
ssize_t joy_reply_head_size(const peri_event *event);
uint8_t *joy_request_head_put(uint8_t *at, const peri_event *event, size_t size);
uint8_t *joy_reply_head_put(uint8_t *at, const peri_event *event, size_t size);

// envelope.c: JoyRPC's bodies
// Handle a request or reply frame in an envelope; 0 or PERI_E* (closes).
int joy_envelope_request(peri_conn *conn, const joy_frame *frame, peri_event *event);
int joy_envelope_reply(peri_conn *conn, const joy_frame *frame, peri_event *event);
int joy_envelope_begin(peri_conn *conn, const peri_event *event, peri_buf *out);
// Appends the one value between begin and end, which is given in the serialization `in`.
int joy_envelope_value(peri_conn *conn, const peri_event *event, peri_bytes value, uint8_t in);
int joy_envelope_end(const peri_event *event, peri_buf *out, size_t value_at);

// generic.c
// Whether the attachments of a request say that its arguments are name, types and list of the
// arguments.
bool joy_is_generic(const peri_event *event, const peri_value_limits *limits);

// calls.c: request, reply and stream frames
int joy_on_call(peri_conn *conn, const joy_frame *frame);
// Completes `event` (a parsed request) from its session and reports it, or refuses it.
int joy_report_open(peri_conn *conn, peri_event *event);
// Answers a request with an error from the machine itself.
void joy_refuse(peri_conn *conn, const peri_event *request, int code, const char *message);

// write.c
int joy_begin(peri_conn *conn, const peri_event *event, peri_mark *mark);
int joy_end(peri_conn *conn, const peri_event *event, const peri_mark *mark);
void joy_abort(peri_conn *conn, const peri_mark *mark);
int joy_emit(peri_conn *conn, const peri_event *event);
int joy_reply(peri_conn *conn, const peri_reply *reply);
int joy_reply_begin(peri_conn *conn, const peri_reply *reply, peri_mark *mark);
int joy_reply_end(peri_conn *conn, uint8_t compression, const peri_mark *mark);
int joy_request(peri_conn *conn, const peri_request *request);

// negotiate.c, authenticate.c
int joy_on_negotiate(peri_conn *conn, const joy_frame *frame);
int joy_on_negotiate_reply(peri_conn *conn, const joy_frame *frame);
int joy_on_authenticate(peri_conn *conn, const joy_frame *frame);
int joy_on_authenticate_reply(peri_conn *conn, const joy_frame *frame);
void joy_authenticated(peri_conn *conn, uint32_t session, uint32_t request, bool passed,
                       const char *why);
int joy_open_session(peri_conn *conn, const peri_session_params *params, peri_session_fn done,
                     void *arg);

// goodbye.c
void joy_drain(peri_conn *conn);
// Of a draining connection: true when `frame` is a call that the notice is to overtake. It is sent, and
// what is not consumed yet comes again later.
bool joy_goodbye_overtakes(peri_conn *conn, const joy_frame *frame);
// Sends the notice when it is due, or reads on. Returns in how many ms to ask again, 0 = not.
uint64_t joy_goodbye_tick(peri_conn *conn, uint64_t now_ms);

// beat.c
uint64_t joy_tick(peri_conn *conn, uint64_t now_ms);
// Session beat interval: min(max(timeout / 4, 15 s), 30 s).
uint64_t joy_session_beat_ms(const peri_session *session);
