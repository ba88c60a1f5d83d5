// SPDX-License-Identifier: MIT
// Negotiation, server side: the client lists what it knows, we choose and open the session.
//
// Private serializations and compressions are named in attributes of ours (perilune.serialization,
// perilune.serializations, ...compression, ...compressions), beside perilune=1; a JoyRPC peer reads
// only the standard fields and never meets an id it does not know.

#include "base/clock.h"
#include "protocol/joyrpc/body.h"
#include "protocol/joyrpc/opening.h"
#include "protocol/serializer/builtin.h"

enum { SESSION_TIMEOUT = 90000 };

static const char request_class[] = "io.joyrpc.protocol.message.negotiation.NegotiationRequest";
const char joy_negotiated_class[] = "io.joyrpc.protocol.message.negotiation.NegotiationResponse";

typedef struct choice {
  const peri_serializer *serializer;
  const peri_compression *compression;
  const char *refused;  // why there is none, NULL = agreed
} choice;

bool joy_can_serialize(const peri_serializer *serializer, bool native) {
  return serializer != NULL && !serializer->inner &&
         (native || (serializer->id < JOY_PRIVATE_ID && serializer->read_request != NULL));
}

static bool can_compress(const peri_compression *compression, bool native) {
  return compression != NULL && (native || compression->id < JOY_PRIVATE_ID);
}

static const peri_serializer *choose_serializer(const joy_body *body) {
  if (body->perilune && body->our_serializer != NULL) {
    return body->our_serializer;
  }
  if (joy_can_serialize(body->serializer, body->perilune)) {
    return body->serializer;
  }
  for (unsigned n = 0; n < body->serializer_count; n++) {
    if (joy_can_serialize(body->serializers[n], body->perilune)) {
      return body->serializers[n];
    }
  }
  return NULL;
}

static const peri_compression *choose_compression(const joy_body *body) {
  if (body->perilune && body->our_compression != NULL) {
    return body->our_compression;
  }
  return can_compress(body->compression, body->perilune) ? body->compression : NULL;
}

static choice choose(const peri_conn *conn, const joy_frame *frame, const joy_body *body) {
  choice c = {choose_serializer(body), choose_compression(body), NULL};
  if (conn->draining) {
    c.refused = "Server is shutdown.";
  } else if (frame->session == 0 || frame->session > INT32_MAX) {
    c.refused = "the session id must be positive";
  } else if (body->iface.len == 0) {
    c.refused = "the attribute `interface` is missing";
  } else if (c.serializer == NULL) {
    c.refused = "no serialization in common";
  } else if (body->wants_compression && c.compression == NULL) {
    c.refused = "the compression asked for is not known here; ask for another or for none";
  }
  return c;
}

static peri_bytes text_of(const peri_buf *buf) {
  return (peri_bytes){buf->data, buf->len};
}

static peri_session *open_session(peri_conn *conn, const joy_frame *frame, joy_body *body,
                                  choice *c) {
  peri_session *session =
      peri_conn_session_new(conn, frame->session, text_of(&body->iface), text_of(&body->alias));
  if (session == NULL) {
    c->refused =
        "too many sessions on this connection (sessions_per_connection); use one per interface and "
        "alias";
    return NULL;
  }
  joy_session_fill(session, body, c->serializer, c->compression);
  session->timeout_ms = body->session_timeout_ms != 0 ? body->session_timeout_ms : SESSION_TIMEOUT;
  session->last_beat_ms = peri_conn_now_ms(conn);
  session->authenticated = conn->handler->authenticate == NULL;
  conn->native = conn->native || session->native;
  peri_conn_wake(conn, session->timeout_ms);
  return session;
}

void joy_session_fill(peri_session *session, joy_body *body, const peri_serializer *serializer,
                      const peri_compression *compression) {
  session->native = body->perilune;
  session->serializer = serializer;
  session->compression = compression;
  session->remote_start_ms = body->remote_start_ms;
  session->attributes = body->attributes;
  body->attributes = (peri_buf){0};
}

static void write_lists(joy_writer *w, const joy_body *body) {
  joy_writer_list(w, "serializations");
  for (unsigned n = 0; n < body->serializer_count; n++) {
    if (joy_can_serialize(body->serializers[n], body->perilune)) {
      joy_writer_item(w, peri_serializer_wire_name(body->serializers[n]));
    }
  }
  joy_writer_list_end(w);
  joy_writer_list(w, "compressions");
  for (unsigned n = 0; n < body->compression_count; n++) {
    if (can_compress(body->compressions[n], body->perilune)) {
      joy_writer_item(w, body->compressions[n]->name);
    }
  }
  joy_writer_list_end(w);
}

static uint64_t started(const peri_conn *conn, const peri_session *session) {
  return session->native || conn->handler->started == NULL
             ? peri_started_ms()
             : conn->handler->started(conn->arg, session);
}

static void write_attributes(joy_writer *w, const peri_conn *conn, const peri_session *session) {
  joy_writer_map(w, "attributes");
  if (session != NULL) {
    joy_writer_text(w, "interface", session->iface);
    joy_writer_text(w, "alias", session->alias);
    joy_writer_decimal(w, "buildVersion", JOY_VERSION);
    joy_writer_decimal(w, "remoteStartTime", started(conn, session));
    if (session->native) {
      joy_writer_text(w, "perilune", "1");
    }
  }
  joy_writer_map_end(w);
}

static int answer(peri_conn *conn, const joy_frame *frame, const peri_serializer *serializer,
                  const joy_body *body, const choice *c, const peri_session *session) {
  peri_buf out = {0};
  joy_writer w;
  joy_writer_begin(&w, serializer, &conn->limits->value, joy_negotiated_class, &out);
  joy_writer_text(&w, "serialization",
                  session != NULL ? peri_serializer_wire_name(c->serializer) : NULL);
  joy_writer_text(&w, "compression",
                  session != NULL && c->compression != NULL ? c->compression->name : NULL);
  joy_writer_text(&w, "checksum", NULL);
  write_lists(&w, body);
  joy_writer_list(&w, "checksums");
  joy_writer_list_end(&w);
  write_attributes(&w, conn, session);
  joy_writer_number(&w, "status", session != NULL ? 0 : 1);
  joy_writer_text(&w, "message", c->refused);
  int code = joy_writer_end(&w);
  if (code == 0) {
    joy_answer(conn, frame, JOY_NEGOTIATE_REPLY, text_of(&out));
  }
  peri_buf_fini(&out);
  return code;
}

void joy_answer(peri_conn *conn, const joy_frame *request, joy_type type, peri_bytes body) {
  joy_frame_send(conn, &(joy_frame){.type = (uint8_t)type,
                                    .serializer = request->serializer,
                                    .id = request->id,
                                    .session = request->session,
                                    .timeout_ms = JOY_TIMEOUT,
                                    .callback = request->callback,
                                    .body = body});
}

const peri_serializer *joy_body_serializer(peri_conn *conn, const joy_frame *frame) {
  const peri_serializer *serializer = frame->serializer == PERI_SER_JAVA
                                          ? &peri_serializer_java
                                          : peri_serializer_by_id(frame->serializer);
  if (frame->serializer >= JOY_PRIVATE_ID || serializer == NULL || serializer->lua_ref != 0) {
    peri_conn_complain(
        conn, PERI_EPROTOCOL, "JOYRPC-NEGOTIATION",
        "negotiation in serialization %u cannot be read here; use hessian (2) or json (13)",
        frame->serializer);
    return NULL;
  }
  return serializer;
}

int joy_body_spoilt(peri_conn *conn, const joy_frame *frame, const peri_err *err) {
  return peri_conn_complain(conn, PERI_EPROTOCOL, "JOYRPC-NEGOTIATION",
                            "the body of message type %u is malformed: %s", frame->type, err->text);
}

int joy_on_negotiate(peri_conn *conn, const joy_frame *asked) {
  const peri_serializer *serializer = joy_body_serializer(conn, asked);
  if (serializer == NULL) {
    return PERI_EPROTOCOL;
  }
  // A body in Java's own serialization is answered in Hessian: peers go by the answer's header.
  joy_frame copy = *asked;
  const joy_frame *frame = &copy;
  copy.serializer = asked->serializer == PERI_SER_JAVA ? PERI_SER_HESSIAN : asked->serializer;
  joy_body body;
  peri_err err = {0};
  int code = joy_body_read(request_class, serializer, frame->body, &body, &err);
  if (code != 0) {
    code = joy_body_spoilt(conn, frame, &err);
  } else {
    choice c = choose(conn, frame, &body);
    peri_session *session = c.refused == NULL ? open_session(conn, frame, &body, &c) : NULL;
    code = answer(conn, frame, peri_serializer_by_id(frame->serializer), &body, &c, session);
    if (session != NULL && conn->handler->session != NULL) {
      conn->handler->session(conn->arg, conn, session);
    }
  }
  joy_body_fini(&body);
  return code;
}
