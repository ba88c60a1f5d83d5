// SPDX-License-Identifier: MIT
// What the steps of opening a session share: client (opening.c), server (negotiate.c) and
// authentication (authenticate.c).
#pragma once
#include "protocol/joyrpc/body.h"

enum { JOY_PRIVATE_ID = 110 };  // serializations and compressions from here on are ours

// A session that a client is opening. Lives from open_session until `done` was called.
typedef struct joy_opening {
  peri_list link;
  uint32_t request;  // msgId waited for
  uint32_t session;
  uint32_t session_timeout_ms;
  bool authenticating;  // the second step
  uint64_t deadline_ms;
  peri_session_fn done;
  void *arg;
  char *iface, *alias;            // owned
  const peri_serializer *wanted;  // NULL = the peer's choice
  char *auth_type;                // owned; NULL = no authentication
  peri_buf auth;  // attributes of authentication: key, value, key ... each zero-terminated;
                  // wiped before it is freed
} joy_opening;

// True when frames of this kind of session can carry it.
bool joy_can_serialize(const peri_serializer *serializer, bool native);
// Moves what was agreed on from `body` into the session.
void joy_session_fill(peri_session *session, joy_body *body, const peri_serializer *serializer,
                      const peri_compression *compression);
// Sends an answer that repeats the request's ids and serialization.
void joy_answer(peri_conn *conn, const joy_frame *request, joy_type type, peri_bytes body);
// The serializer of a negotiation body, or NULL after complaining.
const peri_serializer *joy_body_serializer(peri_conn *conn, const joy_frame *frame);
// Complains; returns PERI_EPROTOCOL.
int joy_body_spoilt(peri_conn *conn, const joy_frame *frame, const peri_err *err);
typedef void (*joy_reply_fn)(peri_conn *conn, joy_opening *opening, joy_body *body);
// Reads the answer to a step of the opening that waits for it and gives it to `take`. Returns 0,
// also when none waits, or PERI_E*, with which the connection ends.
int joy_opening_reply(peri_conn *conn, const joy_frame *frame, bool authenticating,
                      joy_reply_fn take);
// Ends an opening: calls `done`, frees. With a code the session, if there is one, is freed before.
void joy_opening_end(peri_conn *conn, joy_opening *opening, peri_session *session, int code,
                     const char *why);
// What the answers to the two steps are called in Java.
extern const char joy_negotiated_class[], joy_authenticated_class[];
// Sends the authentication step. 0 or PERI_E*.
int joy_authenticate(peri_conn *conn, joy_opening *opening, const peri_session *session);
// The serializer of authentication bodies on a session: JSON between our peers.
const peri_serializer *joy_auth_serializer(const peri_session *session);
// Ends those whose time is over. Returns ms until the next, 0 = none.
uint64_t joy_openings_tick(peri_conn *conn, uint64_t now_ms);
void joy_openings_fail(peri_conn *conn, int code, const char *why);
