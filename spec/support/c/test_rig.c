// SPDX-License-Identifier: MIT
#include "test_rig.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "protocol/pending.h"

enum { QUIET_TURNS = 4, MOST_TURNS = 100000 };

// ---- the clock --------------------------------------------------------------------------------

static uint64_t fake_ns = 1000000000000u;
static const peri_env_ops *real_env;
static peri_log_level real_threshold;

static uint64_t fake_hrtime(void) {
  return fake_ns;
}

static uint64_t fake_walltime(void) {
  return 1700000000000u + fake_ns / 1000000u;
}

static uint64_t fake_seed(void) {
  return 42;
}

static const peri_env_ops fake_env = {fake_hrtime, fake_walltime, fake_seed};

static void clock_take(void) {
  if (peri_env != &fake_env) {
    real_env = peri_env;
    real_threshold = peri_log_threshold;
    peri_env = &fake_env;
  }
}

void peri_test_clock_restore(void) {
  if (peri_env == &fake_env) {
    peri_env = real_env;
    peri_log_threshold = real_threshold;
  }
}

// ---- what is heard ------------------------------------------------------------------------------

static const char *const event_names[] = {"?",      "OPEN",   "DATA",  "HALF_CLOSE", "TRAILERS",
                                          "CANCEL", "WINDOW", "REPLY", "PING",       "GOAWAY"};

static void hear(peri_test_side *side, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void hear(peri_test_side *side, const char *format, ...) {
  char line[512];
  va_list args;
  va_start(args, format);
  int len = vsnprintf(line, sizeof line, format, args);
  va_end(args);
  peri_buf_add(&side->heard, line, len < (int)sizeof line ? (size_t)len : sizeof line - 1);
}

static void hear_text(peri_test_side *side, const char *name, peri_bytes text) {
  if (text.len != 0) {
    hear(side, " %s=", name);
    if (text.len > 256) {
      hear(side, "(%zu bytes)", text.len);
    } else {
      peri_buf_add(&side->heard, text.ptr, text.len);
    }
  }
}

static void hear_number(peri_test_side *side, const char *name, long value) {
  if (value != 0) {
    hear(side, " %s=%ld", name, value);
  }
}

static void on_event(void *arg, peri_conn *conn, const peri_event *event) {
  peri_test_side *side = (peri_test_side *)arg;
  (void)conn;
  hear(side, "%s %llu", event_names[event->type <= 9 ? event->type : 0],
       (unsigned long long)event->stream);
  hear_number(side, "flags", event->flags);
  hear_number(side, "code", event->code);
  hear_number(side, "timeout", event->timeout_ms);
  hear_number(side, "credit", event->credit);
  hear_number(side, "session", event->session != NULL ? event->session->id : 0);
  hear_text(side, "iface", event->iface);
  hear_text(side, "alias", event->alias);
  hear_text(side, "method", event->method);
  hear_text(side, "callback", event->callback);
  hear_text(side, "message", event->message);
  hear_number(side, "attachments", (long)event->attachments.len);
  hear_number(side, "ser", event->serializer);
  hear_number(side, "comp", event->compression);
  hear_text(side, "body", event->body);
  hear(side, "\n");
}

static void on_request(void *arg, peri_conn *conn, const peri_request *request) {
  peri_event event = peri_request_event(request);
  ((peri_test_side *)arg)->requests++;
  on_event(arg, conn, &event);
}

static void on_session(void *arg, peri_conn *conn, peri_session *session) {
  (void)conn;
  hear((peri_test_side *)arg, "SESSION %u iface=%s alias=%s ser=%s native=%d\n", session->id,
       session->iface, session->alias, session->serializer->name, session->native);
}

static int on_authenticate(void *arg, peri_conn *conn, peri_session *session, uint32_t request,
                           peri_bytes type, peri_bytes attributes) {
  peri_test_side *side = (peri_test_side *)arg;
  (void)conn;
  hear(side, "AUTHENTICATE %u", session->id);
  hear_text(side, "type", type);
  hear_number(side, "attributes", (long)attributes.len);
  hear(side, "\n");
  side->rig->auth_request = request;
  return side->rig->authenticate;
}

static void on_drained(void *arg, peri_conn *conn) {
  (void)conn;
  hear((peri_test_side *)arg, "DRAINED\n");
}

static void on_conn_closed(void *arg, peri_conn *conn, int code) {
  peri_test_side *side = (peri_test_side *)arg;
  (void)conn;
  hear(side, "CLOSED %s\n", peri_code_name(code));
  side->conn = NULL;
}

static void on_mark_sessions(void *arg, peri_conn *conn) {
  const peri_test_side *side = (peri_test_side *)arg;
  for (peri_list *n = conn->sessions.next; n != &conn->sessions; n = n->next) {
    peri_session *session = peri_container(n, peri_session, link);
    session->used = session->id == side->rig->used_session;
  }
}

static const peri_conn_handler server_handler = {
    .event = on_event,
    .request = on_request,
    .session = on_session,
    .mark_sessions = on_mark_sessions,
    .authenticate = on_authenticate,
    .drained = on_drained,
    .closed = on_conn_closed,
};

static const peri_conn_handler client_handler = {
    .event = on_event,
    .drained = on_drained,
    .closed = on_conn_closed,
};

static void on_done(peri_future *future) {
  peri_test_side *side = (peri_test_side *)future->owner;
  hear(side, "DONE %llu %s", (unsigned long long)future->stream, peri_code_name(future->code));
  hear_number(side, "flags", future->flags);
  hear_text(side, "message", future->message);
  hear_number(side, "attachments", (long)future->attachments.len);
  hear_number(side, "ser", future->serializer);
  hear_number(side, "comp", future->compression);
  hear_text(side, "body", future->body);
  hear(side, "\n");
  side->rig->pending--;
  peri_future_release(&side->rig->futures, future);
}

// ---- the relay ----------------------------------------------------------------------------------

static ssize_t on_raw_data(void *arg, peri_channel *channel, peri_block *block, const uint8_t *data,
                           size_t len, size_t *need) {
  peri_test_side *side = (peri_test_side *)arg;
  (void)channel;
  (void)block;
  (void)need;
  peri_buf_add(&side->wire, data, len);
  return (ssize_t)len;
}

static void on_raw_closed(void *arg, peri_channel *channel, int code) {
  (void)channel;
  (void)code;
  ((peri_test_side *)arg)->raw = NULL;
}

static const peri_channel_handler raw_handler = {.data = on_raw_data, .closed = on_raw_closed};

static size_t sendable(const peri_test_rig *rig, peri_test_side *from) {
  size_t end = from->wire.len;
  end = from->drop != 0 && end > from->drop ? from->drop : end;
  if (from->cut != 0 && from->relayed < from->cut && end > from->cut) {
    end = from->cut;
  }
  size_t len = end > from->relayed ? end - from->relayed : 0;
  return rig->chunk != 0 && len > rig->chunk ? rig->chunk : len;
}

static bool relay(peri_test_rig *rig, int n) {
  peri_test_side *from = &rig->side[n];
  peri_test_side *to = &rig->side[1 - n];
  size_t len = sendable(rig, from);
  if (to->raw == NULL) {
    from->relayed = from->wire.len;
    return false;
  }
  if (len != 0) {
    peri_buf_add(peri_channel_out(to->raw), from->wire.data + from->relayed, len);
    peri_channel_touch(to->raw);
    from->relayed += len;
  }
  bool over = from->opened && from->raw == NULL && rig->side[n].conn == NULL &&
              from->relayed == from->wire.len;
  if ((from->drop != 0 && from->relayed >= from->drop) || (over && len == 0)) {
    if (len == 0) {
      peri_channel_finish(to->raw);
      from->drop = 0;
      from->relayed = from->wire.len;
    }
    return true;
  }
  return len != 0;
}

void peri_test_pump(peri_test_rig *rig) {
  unsigned quiet = 0;
  for (unsigned n = 0; n < MOST_TURNS && quiet < QUIET_TURNS; n++) {
    size_t before = rig->side[0].wire.len + rig->side[1].wire.len + rig->side[0].heard.len +
                    rig->side[1].heard.len;
    peri_loop_turn(&rig->loop, 0);
    bool moved = relay(rig, PERI_TEST_UP);
    moved = relay(rig, PERI_TEST_DOWN) || moved;
    size_t after = rig->side[0].wire.len + rig->side[1].wire.len + rig->side[0].heard.len +
                   rig->side[1].heard.len;
    quiet = moved || before != after ? 0 : quiet + 1;
  }
}

void peri_test_advance(peri_test_rig *rig, uint32_t ms) {
  while (ms != 0) {
    uint32_t step = ms < 1000 ? ms : 1000;
    fake_ns += (uint64_t)step * 1000000u;
    ms -= step;
    peri_test_pump(rig);
  }
}

void peri_test_send(peri_test_rig *rig, int side, const uint8_t *data, size_t len) {
  peri_buf_add(&rig->side[side].wire, data, len);
}

// ---- the rig ------------------------------------------------------------------------------------

static void arm(void *timers, peri_timer *timer, uint64_t delay_ms) {
  peri_loop_arm((peri_loop *)timers, timer, delay_ms);
}

static void disarm(void *timers, peri_timer *timer) {
  peri_loop_cancel((peri_loop *)timers, timer);
}

static peri_channel *side_open(peri_test_rig *rig, int n) {
  peri_channel *ends[2];
  peri_check(peri_channel_pair(&rig->loop, ends) == 0);
  rig->side[n].raw = ends[1];
  rig->side[n].opened = true;
  peri_channel_start(ends[1], &raw_handler, &rig->side[n], NULL);
  return ends[0];
}

peri_test_rig *peri_test_rig_new(const peri_protocol *protocol, const peri_conn_limits *limits) {
  clock_take();
  peri_log_threshold = PERI_LOG_OFF;  // bad peers are the subject; counters tell
  peri_test_rig *rig = (peri_test_rig *)peri_calloc(1, sizeof *rig);
  peri_check(peri_loop_init(&rig->loop) == 0);
  peri_protocol_add(&peri_test_protocol);
  peri_futures_init(&rig->futures, 1u << 20);
  rig->futures.arm = arm;
  rig->futures.disarm = disarm;
  rig->futures.timers = &rig->loop;
  rig->limits = limits != NULL ? *limits : peri_conn_limits_default;
  rig->side[0].rig = rig->side[1].rig = rig;
  rig->side[PERI_TEST_DOWN].conn =
      peri_conn_accept(side_open(rig, PERI_TEST_DOWN), NULL, &server_handler,
                       &rig->side[PERI_TEST_DOWN], &rig->limits);
  if (protocol != NULL) {
    rig->side[PERI_TEST_UP].conn =
        peri_conn_start(side_open(rig, PERI_TEST_UP), protocol, &client_handler,
                        &rig->side[PERI_TEST_UP], &rig->limits);
  }
  return rig;
}

int peri_test_rig_free(peri_test_rig *rig) {
  for (int n = 0; n < 2; n++) {
    if (rig->side[n].conn != NULL) {
      peri_conn_close(rig->side[n].conn, 0);
    }
    if (rig->side[n].raw != NULL) {
      peri_channel_close(rig->side[n].raw, 0);
    }
  }
  for (int n = 0; n < QUIET_TURNS; n++) {
    peri_loop_turn(&rig->loop, 0);
  }
  int left = peri_loop_fini(&rig->loop) + (int)rig->pending;
  left += rig->side[0].conn != NULL || rig->side[1].conn != NULL;
  peri_futures_fini(&rig->futures);
  for (int n = 0; n < 2; n++) {
    peri_buf_fini(&rig->side[n].heard);
    peri_buf_fini(&rig->side[n].wire);
  }
  free(rig);
  return left;
}

uint64_t peri_test_expect(peri_test_rig *rig, int side) {
  peri_future *future = peri_future_new(&rig->futures, on_done, &rig->side[side]);
  rig->pending++;
  future->stream = peri_conn_expect(rig->side[side].conn, future);
  return future->stream;
}

void peri_test_forget(peri_test_rig *rig, int side, uint64_t stream, bool tell) {
  peri_conn *conn = rig->side[side].conn;
  peri_pending_slot *slot = peri_pending_find(conn->pending, stream);
  peri_future *future = slot != NULL ? peri_future_get(&rig->futures, slot->future) : NULL;
  if (future != NULL) {
    peri_future_release(&rig->futures, future);
    rig->pending--;
  }
  peri_conn_forget(conn, stream, tell);
}

static void on_opened(void *arg, peri_session *session, int code, const char *why) {
  peri_test_rig *rig = (peri_test_rig *)arg;
  rig->session = session;
  rig->session_code = code;
  rig->session_calls++;
  snprintf(rig->session_why, sizeof rig->session_why, "%s", why != NULL ? why : "");
}

int peri_test_open_session(peri_test_rig *rig, const peri_session_params *params) {
  peri_conn *conn = rig->side[PERI_TEST_UP].conn;
  return conn->protocol->open_session(conn, params, on_opened, rig);
}
