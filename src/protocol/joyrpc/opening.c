// SPDX-License-Identifier: MIT
// Opening a session, client side: negotiation, then authentication if asked for, within one time
// limit; `done` is called exactly once.
#include "protocol/joyrpc/opening.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "protocol/counters.h"

enum { NEGOTIATE_TIMEOUT = 3000, SESSION_TIMEOUT = 90000 };

static const char request_class[] = "io.joyrpc.protocol.message.negotiation.NegotiationRequest";

// What is preferred, by the two kinds of peer.
typedef struct wish {
  const peri_serializer *serializer;    // ours; NULL = msgpack
  const peri_serializer *standard;      // for a JoyRPC peer
  const peri_compression *compression;  // NULL = none
} wish;

static int wish_of(const peri_session_params *params, wish *w) {
  *w = (wish){.standard = peri_serializer_by_id(PERI_SER_HESSIAN)};
  if (params->serializer != NULL) {
    w->serializer = peri_serializer_by_name(params->serializer);
    if (w->serializer == NULL) {
      return PERI_ECONFIG;
    }
    w->standard = joy_can_serialize(w->serializer, false) ? w->serializer : w->standard;
  }
  if (params->compression != NULL) {
    w->compression = peri_compression_by_name(params->compression);
    if (w->compression == NULL) {
      return PERI_ECONFIG;
    }
  }
  return 0;
}

// ---- the request ------------------------------------------------------------------------------

static bool offered(const peri_serializer *serializer, bool ours) {
  return ours ? serializer->id >= JOY_PRIVATE_ID && !serializer->inner
              : joy_can_serialize(serializer, false);
}

static void write_serializers(joy_writer *w) {
  const peri_serializer *serializer;
  joy_writer_list(w, "serializations");
  for (size_t n = 0; (serializer = peri_serializer_at(n)) != NULL; n++) {
    if (offered(serializer, false) && serializer->provider[0] == '\0') {
      joy_writer_item(w, peri_serializer_wire_name(serializer));
    }
  }
  joy_writer_list_end(w);
}

static void write_compressions(joy_writer *w, const peri_compression *wanted) {
  const peri_compression *compression;
  joy_writer_list(w, "compressions");
  for (size_t n = 0; wanted != NULL && (compression = peri_compression_at(n)) != NULL; n++) {
    if (compression->id < JOY_PRIVATE_ID) {
      joy_writer_item(w, compression->name);
    }
  }
  joy_writer_list_end(w);
}

static void write_private(joy_writer *w, const wish *wanted) {
  char names[256] = "";
  const peri_serializer *serializer;
  for (size_t n = 0; (serializer = peri_serializer_at(n)) != NULL; n++) {
    if (offered(serializer, true) && strlen(names) + strlen(serializer->name) + 2 < sizeof names) {
      strcat(names, names[0] != '\0' ? "," : "");
      strcat(names, serializer->name);
    }
  }
  joy_writer_text(w, "perilune", "1");
  joy_writer_text(w, "perilune.serialization",
                  wanted->serializer != NULL ? wanted->serializer->name : "msgpack");
  joy_writer_text(w, "perilune.serializations", names);
  if (wanted->compression != NULL) {
    joy_writer_text(w, "perilune.compression", wanted->compression->name);
  }
}

static void write_attributes(joy_writer *w, const peri_session_params *params, const wish *wanted) {
  joy_writer_map(w, "attributes");
  joy_writer_text(w, "interface", params->iface);
  joy_writer_text(w, "alias", params->alias != NULL ? params->alias : "");
  joy_writer_decimal(w, "sessionTimeout",
                     params->session_timeout_ms != 0 ? params->session_timeout_ms
                                                     : SESSION_TIMEOUT);
  joy_writer_decimal(w, "buildVersion", JOY_VERSION);
  joy_writer_decimal(w, "remoteStartTime", peri_started_ms());
  write_private(w, wanted);
  joy_writer_pairs(w, params->attributes);
  joy_writer_map_end(w);
}

static int write_request(peri_conn *conn, const peri_session_params *params, peri_buf *out) {
  wish wanted;
  int code = wish_of(params, &wanted);
  if (code != 0) {
    return code;
  }
  const peri_compression *compression = wanted.compression;
  bool standard = compression != NULL && compression->id < JOY_PRIVATE_ID;
  joy_writer w;
  joy_writer_begin(&w, peri_serializer_by_id(PERI_SER_HESSIAN), &conn->limits->value, request_class,
                   out);
  joy_writer_text(&w, "serialization", peri_serializer_wire_name(wanted.standard));
  joy_writer_text(&w, "compression", standard ? compression->name : NULL);
  joy_writer_text(&w, "checksum", NULL);
  write_serializers(&w);
  write_compressions(&w, compression);
  joy_writer_list(&w, "checksums");
  joy_writer_list_end(&w);
  write_attributes(&w, params, &wanted);
  return joy_writer_end(&w);
}

// ---- openings ---------------------------------------------------------------------------------

static joy_opening *opening_new(peri_conn *conn, const peri_session_params *params,
                                peri_session_fn done, void *arg) {
  joy_opening *opening = (joy_opening *)peri_calloc(1, sizeof *opening);
  uint32_t timeout = params->timeout_ms != 0 ? params->timeout_ms : NEGOTIATE_TIMEOUT;
  opening->request = (uint32_t)peri_conn_next_stream(conn);
  opening->session = ++conn->next_session;
  opening->session_timeout_ms =
      params->session_timeout_ms != 0 ? params->session_timeout_ms : SESSION_TIMEOUT;
  opening->deadline_ms = peri_conn_now_ms(conn) + timeout;
  opening->done = done;
  opening->arg = arg;
  opening->iface = peri_strdup(params->iface);
  opening->wanted = params->serializer != NULL ? peri_serializer_by_name(params->serializer) : NULL;
  opening->alias = peri_strdup(params->alias != NULL ? params->alias : "");
  opening->auth_type = params->auth_type != NULL ? peri_strdup(params->auth_type) : NULL;
  for (const char *const *text = params->auth_attributes; text != NULL && *text != NULL; text++) {
    peri_buf_add(&opening->auth, *text, strlen(*text) + 1);
  }
  peri_list_push(&joy_state_of(conn)->openings, &opening->link);
  peri_conn_wake(conn, timeout);
  return opening;
}

static void opening_free(joy_opening *opening) {
  if (opening->auth.data != NULL) {
    explicit_bzero(opening->auth.data, opening->auth.cap);
  }
  peri_buf_fini(&opening->auth);
  free(opening->iface);
  free(opening->alias);
  free(opening->auth_type);
  free(opening);
}

int joy_open_session(peri_conn *conn, const peri_session_params *params, peri_session_fn done,
                     void *arg) {
  if (conn->closing) {
    return PERI_ECLOSED;
  }
  if (params->iface == NULL || params->iface[0] == '\0' || strlen(params->iface) > JOY_TEXT ||
      (params->alias != NULL && strlen(params->alias) > UINT8_MAX)) {
    return PERI_ECONFIG;
  }
  peri_buf body = {0};
  int code = write_request(conn, params, &body);
  if (code == 0) {
    joy_opening *opening = opening_new(conn, params, done, arg);
    joy_frame_send(conn, &(joy_frame){.type = JOY_NEGOTIATE,
                                      .serializer = PERI_SER_HESSIAN,
                                      .id = opening->request,
                                      .session = opening->session,
                                      .timeout_ms = JOY_TIMEOUT,
                                      .body = {body.data, body.len}});
  }
  peri_buf_fini(&body);
  return code;
}

static joy_opening *find(peri_conn *conn, const joy_frame *frame, bool authenticating) {
  peri_list *all = &joy_state_of(conn)->openings;
  for (peri_list *node = all->next; node != all; node = node->next) {
    joy_opening *opening = peri_container(node, joy_opening, link);
    if (opening->request == frame->id && opening->authenticating == authenticating) {
      return opening;
    }
  }
  peri_protocol_count(PERI_COUNT_LATE);
  return NULL;
}

void joy_opening_end(peri_conn *conn, joy_opening *opening, peri_session *session, int code,
                     const char *why) {
  if (code != 0 && session != NULL) {
    peri_conn_session_free(conn, session);
    session = NULL;
  }
  peri_list_remove(&opening->link);
  opening->done(opening->arg, session, code, why);
  opening_free(opening);
}

// ---- the answer -------------------------------------------------------------------------------

static const char *refusal(joy_body *body) {
  if (body->message.len == 0) {
    return "the server refused the session";
  }
  peri_buf_add_u8(&body->message, 0);
  return (const char *)body->message.data;
}

static peri_session *session_of(peri_conn *conn, joy_opening *opening, joy_body *body, int *code,
                                const char **why) {
  const peri_serializer *serializer =
      joy_can_serialize(body->serializer, body->perilune) ? body->serializer : NULL;
  *code = PERI_EPRECONDITION;
  if (body->status != 0) {
    *why = refusal(body);
    *code = strstr(*why, "shutdown") != NULL ? PERI_ESHUTDOWN : PERI_EPRECONDITION;
    return NULL;
  }
  if (serializer == NULL) {
    *why = "the server chose a serialization that is not known here";
    return NULL;
  }
  if (opening->wanted != NULL && opening->wanted->id == serializer->id) {
    serializer = opening->wanted;  // which of several implementations is our own business
  }
  peri_session *session = peri_conn_session_new(
      conn, opening->session, peri_bytes_of(opening->iface), peri_bytes_of(opening->alias));
  if (session == NULL) {
    *code = PERI_ELIMITED;
    *why = "too many sessions on this connection (sessions_per_connection)";
    return NULL;
  }
  *code = 0;
  joy_session_fill(session, body, serializer, body->compression);
  session->timeout_ms = opening->session_timeout_ms;
  session->last_beat_ms = peri_conn_now_ms(conn);
  conn->native = conn->native || session->native;
  peri_conn_wake(conn, joy_session_beat_ms(session));
  return session;
}

static void opened(peri_conn *conn, joy_opening *opening, joy_body *body) {
  int code;
  const char *why = NULL;
  peri_session *session = session_of(conn, opening, body, &code, &why);
  if (session != NULL && opening->auth_type != NULL) {
    code = joy_authenticate(conn, opening, session);
    if (code == 0) {
      return;  // the second step goes on
    }
    why = "the authentication request cannot be written";
  }
  if (session != NULL) {
    session->authenticated = code == 0;
  }
  joy_opening_end(conn, opening, session, code, why);
}

int joy_opening_reply(peri_conn *conn, const joy_frame *frame, bool authenticating,
                      joy_reply_fn take) {
  joy_opening *opening = find(conn, frame, authenticating);
  const peri_serializer *serializer = opening != NULL ? joy_body_serializer(conn, frame) : NULL;
  if (serializer == NULL) {
    return opening != NULL ? PERI_EPROTOCOL : 0;
  }
  joy_body body;
  peri_err err = {0};
  const char *class_name = authenticating ? joy_authenticated_class : joy_negotiated_class;
  int code = joy_body_read(class_name, serializer, frame->body, &body, &err);
  if (code == 0) {
    take(conn, opening, &body);
  } else {
    code = joy_body_spoilt(conn, frame, &err);
  }
  joy_body_fini(&body);
  return code;
}

int joy_on_negotiate_reply(peri_conn *conn, const joy_frame *frame) {
  return joy_opening_reply(conn, frame, false, opened);
}

uint64_t joy_openings_tick(peri_conn *conn, uint64_t now_ms) {
  peri_list *all = &joy_state_of(conn)->openings;
  uint64_t next = 0;
  for (peri_list *node = all->next, *after; node != all; node = after) {
    after = node->next;
    joy_opening *opening = peri_container(node, joy_opening, link);
    if (now_ms >= opening->deadline_ms) {
      peri_session *session =
          opening->authenticating ? peri_conn_session(conn, opening->session) : NULL;
      joy_opening_end(conn, opening, session, PERI_ETIMEOUT,
                      "the server did not answer the negotiation in time");
      return 1;  // `done` may have changed the list: look again
    }
    uint64_t left = opening->deadline_ms - now_ms;
    next = next == 0 || left < next ? left : next;
  }
  return next;
}

void joy_openings_fail(peri_conn *conn, int code, const char *why) {
  peri_list *all = &joy_state_of(conn)->openings;
  while (!peri_list_empty(all)) {
    joy_opening_end(conn, peri_container(all->next, joy_opening, link), NULL, code, why);
  }
}
