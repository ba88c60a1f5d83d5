// SPDX-License-Identifier: MIT
#include "entry/server.h"

#include <stdlib.h>

#include "base/hot.h"
#include "base/limit.h"
#include "base/mem.h"
#include "entry/executor.h"
#include "protocol/serializer/utf8.h"

#define NO_MEMORY "no memory for another call"

enum {
  FEW = 64,     // calls that are looked through one by one
  PLACES = 512  // lists of the calls of a connection that has had more, a power of two
};

// The list of the connection that holds the call of that stream.
static peri_list *place_of(peri_conn *conn, uint64_t stream) {
  return conn->calls_by_stream == NULL ? &conn->calls
                                       : &conn->calls_by_stream[stream & (PLACES - 1)];
}

void peri_server_init(peri_server *server, peri_loop *loop) {
  *server = (peri_server){.loop = loop};
  server->limits = (peri_server_limits){
      .calls = 1000000,
      .calls_per_conn = 65536,
      .queue_ms = 20,
      .burst_ms = 100,
      .pinned = 256u << 20,
      .timeout_ms = 5000,
  };
  peri_slots_init(&server->calls, sizeof(peri_call), server->limits.calls);
  peri_list_init(&server->queue);
  peri_jobs_init(server);
}

void peri_server_fini(peri_server *server) {
  peri_jobs_forget(server);
  if (server->executor != NULL) {
    peri_executor_close(server->executor);
  }
  peri_buf_fini(&server->scratch);
  peri_slots_fini(&server->calls);
  peri_exporters_fini(&server->exporters);
}

// Answers a request that never became a call.
static PERI_COLD void refuse(peri_conn *conn, const peri_event *event, int code, const char *text,
                             bool not_run) {
  if (event->callback.len != 0) {
    peri_conn_release_callbacks(conn, event->callback);
  }
  if ((event->flags & PERI_EV_ONEWAY) != 0 || conn->channel == NULL) {
    return;
  }
  peri_buf copy = {0};
  peri_event reply = {
      .type = PERI_EV_REPLY,
      .flags = (uint8_t)(PERI_EV_END | (not_run ? PERI_EV_NOT_RUN : 0) |
                         (event->flags & PERI_EV_CALLBACK)),
      .serializer = event->serializer,
      .code = code,
      .stream = event->stream,
      .session = event->session,
      .message = peri_utf8_mended(peri_bytes_of(text), &copy),  // it may repeat what the peer sent
      .callback = (event->flags & PERI_EV_CALLBACK) != 0 ? event->callback : (peri_bytes){NULL, 0},
  };
  conn->protocol->emit(conn, &reply);
  peri_buf_fini(&copy);
}

// A request may name another service than the session it came on was made for.
static PERI_INLINE bool is_foreign(const peri_event *event) {
  const peri_session *session = event->session;
  return session != NULL && ((event->iface.ptr != (const uint8_t *)session->iface &&
                              !peri_bytes_equal(event->iface, peri_bytes_of(session->iface))) ||
                             (event->alias.ptr != (const uint8_t *)session->alias &&
                              !peri_bytes_equal(event->alias, peri_bytes_of(session->alias))));
}

// Of the session, which remembers it.
static PERI_INLINE peri_exporter *exporter_of(const peri_server *server, peri_session *session) {
  if (session->user == NULL || session->user_generation != server->exporters.version) {
    session->user = peri_exporter_find(
        &server->exporters, (peri_bytes){(const uint8_t *)session->iface, session->iface_len},
        (peri_bytes){(const uint8_t *)session->alias, session->alias_len});
    session->user_generation = server->exporters.version;
  }
  return session->user;
}

static peri_exporter *asked_exporter(const peri_server *server, const peri_event *event,
                                     bool foreign) {
  return foreign || event->session == NULL
             ? peri_exporter_find(&server->exporters, event->iface, event->alias)
             : exporter_of(server, event->session);
}

// NULL when there is none.
static PERI_INLINE peri_method *resolve(peri_exporter *exporter, peri_bytes name) {
  peri_method *method = exporter != NULL ? peri_method_find(exporter, name) : NULL;
  return method != NULL && method->open ? method : NULL;
}

static int shown(peri_bytes name) {
  return name.len < 80 ? (int)name.len : 80;
}

// Says by name what is not here: what Java's callers log of it may be all that somebody sees.
static PERI_COLD void refuse_unknown(peri_server *server, peri_conn *conn, const peri_event *event,
                                     const peri_exporter *exporter) {
  const peri_session *session = is_foreign(event) ? NULL : event->session;
  peri_bytes iface = event->iface, alias = event->alias;
  peri_err err;
  if (session != NULL) {
    iface = (peri_bytes){(const uint8_t *)session->iface, session->iface_len};
    alias = (peri_bytes){(const uint8_t *)session->alias, session->alias_len};
  }
  if (exporter == NULL) {
    peri_fail(&err, PERI_ENO_SERVICE, "no such service is exported here: %.*s, alias '%.*s'",
              shown(iface), (const char *)iface.ptr, shown(alias), (const char *)alias.ptr);
  } else {
    peri_fail(&err, PERI_ENO_METHOD, "the service has no such method: %.*s.%.*s", shown(iface),
              (const char *)iface.ptr, shown(event->method), (const char *)event->method.ptr);
  }
  server->failed++;
  refuse(conn, event, err.code, err.text, true);
}

// Consumers ask so whether a service is there.
static PERI_COLD void echo(peri_server *server, peri_conn *conn, const peri_event *event) {
  if (asked_exporter(server, event, is_foreign(event)) == NULL) {
    refuse_unknown(server, conn, event, NULL);
    return;
  }
  peri_event reply = {
      .type = PERI_EV_REPLY,
      .flags = PERI_EV_END,
      .serializer = event->serializer,
      .stream = event->stream,
      .session = event->session,
      .body = event->body,
  };
  if ((event->flags & PERI_EV_ONEWAY) == 0) {
    conn->protocol->emit(conn, &reply);
  }
}

static PERI_COLD int over(peri_server *server, peri_limit limit, const char *what, uint64_t value,
                          peri_err *err) {
  server->refused_limit++;
  peri_limit_hit(limit);
  return peri_fail(err, PERI_EOVERLOADED, "%s = %llu)", what, (unsigned long long)value);
}

// For a call with so many bytes; `conn` is NULL for a local one.
static PERI_INLINE int check_limits(peri_server *server, const peri_conn *conn, size_t bytes,
                                    peri_err *err) {
  const peri_server_limits *limits = &server->limits;
  if (conn != NULL && conn->calls_open >= limits->calls_per_conn) {
    return over(server, PERI_LIMIT_CALLS_PER_CONNECTION,
                "too many calls in flight on this connection (calls_per_connection",
                limits->calls_per_conn, err);
  }
  if (server->calls.live >= server->calls.limit) {
    return over(server, PERI_LIMIT_CALLS, "too many calls in flight in this worker (calls",
                server->calls.limit, err);
  }
  if (server->pinned + bytes > limits->pinned) {
    return over(server, PERI_LIMIT_PINNED_BYTES,
                "calls in flight hold too many bytes (pinned_bytes", limits->pinned, err);
  }
  if (server->starved) {
    server->refused_memory++;
    peri_limit_hit(PERI_LIMIT_LUA_MEMORY);
    return peri_fail(err, PERI_EOVERLOADED, "the memory of this worker is full (lua_memory)");
  }
  return 0;
}

// Our peers know at once what is served no more, their connection refuses it. Others go on for as
// long as their reaction to the goodbye takes, and may not try again: what they send is served.
static bool may_not_know(const peri_server *server, const peri_conn *conn) {
  return !server->leaving && conn->draining && !conn->native && conn->protocol->drain != NULL;
}

static PERI_INLINE int admit(peri_server *server, const peri_conn *conn, size_t bytes,
                             peri_err *err) {
  if (__builtin_expect(server->draining, 0) && !may_not_know(server, conn)) {
    server->refused_draining++;
    return peri_fail(err, PERI_ESHUTDOWN, "the server is shutting down");
  }
  return check_limits(server, conn, bytes, err);
}

static size_t bytes_of(const peri_event *event) {
  return event->body.len + event->attachments.len;
}

static PERI_INLINE uint64_t deadline_of(const peri_server *server, const peri_method *method,
                                        uint32_t timeout_ms) {
  uint32_t ms = timeout_ms != 0 ? timeout_ms : server->limits.timeout_ms;
  if (method->timeout_ms != 0 && method->timeout_ms < ms) {
    ms = method->timeout_ms;
  }
  return server->loop->now_ns + (uint64_t)ms * 1000000u;
}

// The text that names functions; behind its end the method, of a call of one.
static PERI_COLD char *callback_of(const peri_event *event) {
  enum { METHOD_MAX = 255 };  // of one of ours; a longer one is none
  bool named = (event->flags & PERI_EV_CALLBACK) != 0 && event->method.len <= METHOD_MAX;
  size_t len = event->callback.len, method = named ? event->method.len : 0;
  char *text = peri_malloc(len + method + 2);
  memcpy(text, event->callback.ptr, len);
  text[len] = '\0';
  if (method != 0) {
    memcpy(text + len + 1, event->method.ptr, method);
  }
  text[len + 1 + method] = '\0';
  return text;
}

// NULL when there is no memory for it. `conn` is NULL for a local call.
static PERI_INLINE peri_call *enqueue(peri_server *server, peri_conn *conn,
                                      const peri_request *request, peri_method *method) {
  peri_id id;
  peri_call *call = peri_slots_take_raw(&server->calls, &id);
  if (__builtin_expect(call == NULL, 0)) {
    return NULL;
  }
  memset(&call->attachments, 0, offsetof(peri_call, small) - offsetof(peri_call, attachments));
  call->id = id;
  call->conn = conn;
  call->session = request->session;
  call->method = method;
  call->block = request->block != NULL ? peri_block_ref(request->block) : NULL;
  call->body = request->body;
  call->stream = request->stream;
  call->serializer = request->serializer;
  call->compression = request->compression;
  call->arrived_ns = server->loop->now_ns;
  call->deadline_ns = deadline_of(server, method, request->timeout_ms);
  call->state = PERI_CALL_QUEUED;
  peri_call_pin(server, call);
  if (conn != NULL) {
    peri_list_push(place_of(conn, call->stream), &call->link);
    conn->calls_open++;
  } else {
    call->local = true;
  }
  if (peri_list_empty(&server->queue)) {
    server->empty_ns = call->arrived_ns;  // it was until now, however long ago it became so
  }
  peri_list_push(&server->queue, &call->queue);
  return call;
}

// The same for what has more to say.
static peri_call *enqueue_event(peri_server *server, peri_conn *conn, const peri_event *event,
                                peri_method *method, bool foreign) {
  peri_request request = {
      .stream = event->stream,
      .session = event->session,
      .body = event->body,
      .block = event->block,
      .timeout_ms = event->timeout_ms,
      .serializer = event->serializer,
      .compression = event->compression,
  };
  peri_call *call = enqueue(server, conn, &request, method);
  if (call == NULL) {
    return NULL;
  }
  call->foreign = foreign;
  call->oneway = (event->flags & PERI_EV_ONEWAY) != 0;
  call->generic = (event->flags & PERI_EV_GENERIC) != 0;
  call->attachments = event->attachments;
  call->attachments_ser = event->attachments_ser;
  peri_call_pin(server, call);
  if (event->callback.len != 0) {
    call->callback = callback_of(event);
  }
  return call;
}

static void open_call(peri_server *server, peri_conn *conn, const peri_event *event,
                      peri_method *method, bool foreign) {
  if (enqueue_event(server, conn, event, method, foreign) == NULL) {
    refuse(conn, event, PERI_ENO_MEMORY, NO_MEMORY, true);
  }
}

void peri_server_open(peri_server *server, peri_conn *conn, const peri_event *event) {
  peri_err err;
  server->arrived++;
  int code = admit(server, conn, bytes_of(event), &err);
  if (code != 0) {
    refuse(conn, event, code, err.text, true);
    return;
  }
  if ((event->flags & PERI_EV_ECHO) != 0) {
    echo(server, conn, event);
    return;
  }
  bool foreign = is_foreign(event);
  peri_exporter *exporter = asked_exporter(server, event, foreign);
  peri_method *method = resolve(exporter, event->method);
  if (method == NULL) {
    refuse_unknown(server, conn, event, exporter);
  } else if (event->callback.len > PERI_CALLBACK_TEXT_MAX) {
    refuse(conn, event, PERI_EBAD_REQUEST, "too many callbacks in one call", false);
  } else {
    open_call(server, conn, event, method, foreign);
  }
}

static PERI_COLD void refuse_request(peri_conn *conn, const peri_request *request, int code,
                                     const char *text) {
  peri_event event = peri_request_event(request);
  refuse(conn, &event, code, text, true);
}

void peri_server_request(peri_server *server, peri_conn *conn, const peri_request *request) {
  peri_err err;
  server->arrived++;
  int code = admit(server, conn, request->body.len, &err);
  if (__builtin_expect(code != 0, 0)) {
    refuse_request(conn, request, code, err.text);
    return;
  }
  peri_exporter *exporter = exporter_of(server, request->session);
  peri_method *method = resolve(exporter, request->method);
  if (__builtin_expect(method == NULL, 0)) {
    peri_event event = peri_request_event(request);
    refuse_unknown(server, conn, &event, exporter);
  } else if (__builtin_expect(enqueue(server, conn, request, method) == NULL, 0)) {
    refuse_request(conn, request, PERI_ENO_MEMORY, NO_MEMORY);
  }
}

void peri_server_open_callback(peri_server *server, peri_conn *conn, const peri_event *event,
                               peri_method *method) {
  peri_err err;
  server->arrived++;
  int code = check_limits(server, conn, bytes_of(event), &err);
  if (code != 0) {
    refuse(conn, event, code, err.text, true);
  } else {
    open_call(server, conn, event, method, false);
  }
}

int peri_server_open_local(peri_server *server, peri_method *method, const peri_event *event,
                           peri_id *id, peri_err *err) {
  server->arrived++;
  int code = check_limits(server, NULL, bytes_of(event), err);
  if (code != 0) {
    return code;
  }
  const peri_call *call = enqueue_event(server, NULL, event, method, false);
  if (call == NULL) {
    return peri_fail(err, PERI_ENO_MEMORY, NO_MEMORY);
  }
  *id = call->id;
  return 0;
}

static int look_up(peri_server *server, const peri_job *job, peri_method **method) {
  peri_exporter *exporter =
      peri_exporter_find(&server->exporters, peri_bytes_of(job->iface), peri_bytes_of(job->alias));
  *method = exporter != NULL ? peri_method_find(exporter, job->method) : NULL;
  if (exporter == NULL) {
    return PERI_ENO_SERVICE;
  }
  return *method != NULL && (*method)->open ? 0 : PERI_ENO_METHOD;
}

// Methods stay as long as their tables, here and at home: what was found once is found for good.
static int find_method(peri_server *server, const peri_job *job, peri_method **method) {
  uintptr_t place = ((uintptr_t)job->asked >> 4) * 0x9E3779B1u >> 16;
  peri_known *known = &server->executor->known[place % PERI_EXECUTOR_KNOWN];
  if (known->asked == job->asked && known->method->open && known->method->exporter->open) {
    *method = known->method;
    return 0;
  }
  int code = look_up(server, job, method);
  if (code == 0) {
    *known = (peri_known){job->asked, *method};
  }
  return code;
}

peri_call *peri_server_open_job(peri_server *server, peri_job *job) {
  peri_method *method;
  server->arrived++;
  job->code = find_method(server, job, &method);
  job->not_run = true;
  peri_event event = {
      .type = PERI_EV_OPEN,
      .flags = (uint8_t)(PERI_EV_END | (job->oneway ? PERI_EV_ONEWAY : 0) |
                         (job->generic ? PERI_EV_GENERIC : 0)),
      .serializer = job->serializer,
      .compression = job->compression,
      .attachments = job->attachments,
      .attachments_ser = job->attachments_ser,
      .body = job->body,
      .block = job->block,
      .session = job->has_session ? &job->session : NULL,
      .callback = job->lent != NULL ? peri_bytes_of(job->lent->names) : (peri_bytes){NULL, 0},
  };
  peri_call *call =
      job->code == 0 ? enqueue_event(server, NULL, &event, method, job->foreign) : NULL;
  if (call == NULL) {
    job->code = job->code != 0 ? job->code : PERI_ENO_MEMORY;
    return NULL;
  }
  job->not_run = false;
  call->local = false;
  call->hired = true;
  call->job = job;
  call->arrived_ns = job->arrived_ns;
  call->deadline_ns = job->deadline_ns;
  return call;
}

static void forget(peri_list *calls, peri_conn *conn, void (*gone)(void *arg, peri_call *call),
                   void *arg) {
  peri_list *node;
  while ((node = peri_list_pop(calls)) != NULL) {
    peri_call *call = peri_container(node, peri_call, link);
    call->conn = NULL;
    call->session = NULL;
    conn->calls_open--;
    if (call->state != PERI_CALL_QUEUED) {
      gone(arg, call);
    }
  }
}

void peri_server_forget(peri_server *server, peri_conn *conn,
                        void (*gone)(void *arg, peri_call *call), void *arg) {
  (void)server;
  forget(&conn->calls, conn, gone, arg);
  for (unsigned n = 0; conn->calls_by_stream != NULL && n < PLACES; n++) {
    forget(&conn->calls_by_stream[n], conn, gone, arg);
  }
  free(conn->calls_by_stream);
  conn->calls_by_stream = NULL;
}

static void mark_sessions(const peri_list *calls) {
  for (const peri_list *n = calls->next; n != calls; n = n->next) {
    peri_session *session = peri_container((peri_list *)n, peri_call, link)->session;
    if (session != NULL) {
      session->used = true;
    }
  }
}

void peri_server_mark_sessions(peri_conn *conn) {
  mark_sessions(&conn->calls);
  for (unsigned n = 0; conn->calls_by_stream != NULL && n < PLACES; n++) {
    mark_sessions(&conn->calls_by_stream[n]);
  }
}

// A peer that cancels while it has many calls here must not make us walk along all of them each time.
static void divide(peri_conn *conn) {
  peri_list *node;
  peri_list *places = peri_malloc(PLACES * sizeof *places);
  for (unsigned n = 0; n < PLACES; n++) {
    peri_list_init(&places[n]);
  }
  conn->calls_by_stream = places;
  while ((node = peri_list_pop(&conn->calls)) != NULL) {
    const peri_call *call = peri_container(node, peri_call, link);
    peri_list_push(place_of(conn, call->stream), node);
  }
}

peri_call *peri_server_find(peri_conn *conn, uint64_t stream) {
  if (conn->calls_by_stream == NULL && conn->calls_open > FEW) {
    divide(conn);
  }
  const peri_list *place = place_of(conn, stream);
  for (const peri_list *n = place->next; n != place; n = n->next) {
    peri_call *call = peri_container((peri_list *)n, peri_call, link);
    if (call->stream == stream) {
      return call;
    }
  }
  return NULL;
}
