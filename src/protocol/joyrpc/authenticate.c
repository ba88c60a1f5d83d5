// SPDX-License-Identifier: MIT
// The authentication step of a session, both sides.
#include "protocol/joyrpc/opening.h"

static const char request_class[] =
    "io.joyrpc.protocol.message.authentication.AuthenticationRequest";
const char joy_authenticated_class[] =
    "io.joyrpc.protocol.message.authentication.AuthenticationResponse";

// Where a class cannot be written without its declaration it is Hessian's: peers go by the header.
const peri_serializer *joy_auth_serializer(const peri_session *session) {
  if (session == NULL || session->native) {
    return peri_serializer_by_id(PERI_SER_JSON);
  }
  return session->serializer->decode_object != NULL ? peri_serializer_by_id(PERI_SER_HESSIAN)
                                                    : session->serializer;
}

// ---- client -----------------------------------------------------------------------------------

static int write_request(peri_conn *conn, const joy_opening *opening,
                         const peri_serializer *serializer, peri_buf *out) {
  joy_writer w;
  joy_writer_begin(&w, serializer, &conn->limits->value, request_class, out);
  joy_writer_text(&w, "type", opening->auth_type);
  joy_writer_map(&w, "attributes");
  const char *text = (const char *)opening->auth.data;
  const char *end = text + opening->auth.len;
  while (text != NULL && text < end) {
    const char *value = text + strlen(text) + 1;
    joy_writer_text(&w, text, value < end ? value : "");
    text = value < end ? value + strlen(value) + 1 : end;
  }
  joy_writer_map_end(&w);
  return joy_writer_end(&w);
}

int joy_authenticate(peri_conn *conn, joy_opening *opening, const peri_session *session) {
  const peri_serializer *serializer = joy_auth_serializer(session);
  peri_buf body = {0};
  int code = write_request(conn, opening, serializer, &body);
  if (code == 0) {
    opening->authenticating = true;
    opening->request = (uint32_t)peri_conn_next_stream(conn);
    joy_frame_send(conn, &(joy_frame){.type = JOY_AUTHENTICATE,
                                      .serializer = serializer->id,
                                      .id = opening->request,
                                      .session = session->id,
                                      .timeout_ms = JOY_TIMEOUT,
                                      .body = {body.data, body.len}});
  }
  if (body.data != NULL) {
    explicit_bzero(body.data, body.cap);
  }
  peri_buf_fini(&body);
  return code;
}

static void answered(peri_conn *conn, joy_opening *opening, joy_body *body) {
  peri_session *session = peri_conn_session(conn, opening->session);
  bool passed = body->status == 0 && session != NULL;
  peri_buf_add_u8(&body->message, 0);
  const char *why = body->message.len > 1 ? (const char *)body->message.data
                                          : "the server refused the authentication";
  if (passed) {
    session->authenticated = true;
  }
  joy_opening_end(conn, opening, session, passed ? 0 : PERI_EUNAUTHENTICATED, passed ? NULL : why);
}

int joy_on_authenticate_reply(peri_conn *conn, const joy_frame *frame) {
  return joy_opening_reply(conn, frame, true, answered);
}

// ---- server -----------------------------------------------------------------------------------

void joy_authenticated(peri_conn *conn, uint32_t id, uint32_t request, bool passed,
                       const char *why) {
  peri_session *session = joy_session(conn, id);
  if (conn->closing) {
    return;
  }
  const peri_serializer *serializer = joy_auth_serializer(session);
  passed = passed && session != NULL;
  if (session != NULL) {
    session->authenticated = passed;
  }
  joy_frame frame = {.serializer = serializer->id, .id = request, .session = id};
  peri_buf body = {0};
  joy_writer w;
  joy_writer_begin(&w, serializer, &conn->limits->value, joy_authenticated_class, &body);
  joy_writer_number(&w, "status", passed ? 0 : 1);
  joy_writer_text(&w, "message", passed ? NULL : why);
  if (joy_writer_end(&w) == 0) {
    joy_answer(conn, &frame, JOY_AUTHENTICATE_REPLY, (peri_bytes){body.data, body.len});
  }
  peri_buf_fini(&body);
}

static void decide(peri_conn *conn, const joy_frame *frame, const joy_body *body) {
  peri_session *session = joy_session(conn, frame->session);
  int code = 0;
  if (session == NULL) {
    joy_authenticated(conn, frame->session, frame->id, false, "the session is unknown here");
    return;
  }
  if (conn->handler->authenticate != NULL) {
    peri_bytes type = {body->type.data, body->type.len};
    peri_bytes attributes = {body->attributes.data, body->attributes.len};
    code = conn->handler->authenticate(conn->arg, conn, session, frame->id, type, attributes);
  }
  if (code != PERI_AGAIN) {
    joy_authenticated(conn, frame->session, frame->id, code == 0, peri_code_text(code));
  }
}

int joy_on_authenticate(peri_conn *conn, const joy_frame *frame) {
  const peri_serializer *serializer = joy_body_serializer(conn, frame);
  if (serializer == NULL) {
    return PERI_EPROTOCOL;
  }
  joy_body body;
  peri_err err = {0};
  int code = joy_body_read(request_class, serializer, frame->body, &body, &err);
  if (code == 0) {
    decide(conn, frame, &body);
  } else {
    code = joy_body_spoilt(conn, frame, &err);
  }
  if (body.attributes.data != NULL) {
    explicit_bzero(body.attributes.data, body.attributes.cap);
  }
  joy_body_fini(&body);
  return code;
}
