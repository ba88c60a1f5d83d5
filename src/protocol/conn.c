// SPDX-License-Identifier: MIT
// The life of a connection: sniffing, feeding its machine, ticking, closing. One timer serves
// everything that waits; an idle server connection has none armed.
#include "protocol/conn.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limit.h"
#include "base/log.h"
#include "base/mem.h"
#include "protocol/adapter.h"
#include "protocol/counters.h"
#include "protocol/pending.h"

const peri_conn_limits peri_conn_limits_default = {
    .frame = 8u << 20,
    .head = UINT16_MAX,
    .sessions = 1024,
    .first_byte_ms = 10000,
    .silent = 4096,
    .negotiate_ms = 10000,
    .frame_ms = 30000,
    .idle_ms = 0,
    .beat_ms = 10000,
    .beat_misses = 3,
    .value = {.depth = 64, .elements = 1u << 20, .refs = 1u << 16, .string = 8u << 20},
    .channel = {1u << 20, 64u << 20, 10000u, (8u << 20) + (64u << 10), 256u << 20},
};

// ---- time -----------------------------------------------------------------------------------

uint64_t peri_conn_now_ms(const peri_conn *conn) {
  return peri_loop_now_ms(peri_channel_loop(conn->channel));
}

static bool timer_armed(const peri_timer *timer) {
  return timer->link.next != NULL && timer->link.next != &timer->link;
}

// Long waits are rounded up to whole seconds so that many idle connections share one wake-up.
static uint64_t rounded(uint64_t now, uint64_t delay_ms) {
  return delay_ms < 2000 ? delay_ms : (now + delay_ms + 999) / 1000 * 1000 - now;
}

void peri_conn_wake(peri_conn *conn, uint64_t delay_ms) {
  if (conn->closing) {
    return;
  }
  uint64_t now = peri_conn_now_ms(conn);
  delay_ms = rounded(now, delay_ms);
  if (!timer_armed(&conn->timer) || conn->timer.due > now + delay_ms) {
    peri_loop_arm(peri_channel_loop(conn->channel), &conn->timer, delay_ms);
  }
}

static uint64_t sooner(uint64_t a, uint64_t b) {
  return b != 0 && (a == 0 || b < a) ? b : a;
}

// What is left of the time an accepted connection has to show a session or a call.
static uint64_t check_settled(peri_conn *conn, uint64_t now) {
  if (conn->settled || conn->settle_by_ms == 0) {
    return 0;
  }
  if (now < conn->settle_by_ms) {
    return conn->settle_by_ms - now;
  }
  peri_limit_hit(PERI_LIMIT_NEGOTIATE_TIMEOUT);
  peri_conn_close(conn,
                  peri_conn_complain(conn, PERI_ETIMEOUT, "CONN-SETTLE",
                                     "no session and no call within negotiate_timeout = %u ms",
                                     conn->limits->negotiate_ms));
  return 0;
}

static uint64_t check_idle(peri_conn *conn, uint64_t now) {
  if (conn->limits->idle_ms == 0) {
    return 0;
  }
  uint64_t end = peri_channel_last_in_ms(conn->channel) + conn->limits->idle_ms;
  if (now < end) {
    return end - now;
  }
  peri_limit_hit(PERI_LIMIT_IDLE_TIMEOUT);
  peri_conn_close(conn,
                  peri_conn_complain(conn, PERI_ETIMEOUT, "CONN-IDLE",
                                     "no byte within idle_timeout = %u ms", conn->limits->idle_ms));
  return 0;
}

// Neither silence nor one byte a second may hold what a half frame holds.
static uint64_t check_part(peri_conn *conn, uint64_t now) {
  if (conn->part_since_ms == 0 || conn->limits->frame_ms == 0) {
    return 0;
  }
  uint64_t end = conn->part_since_ms + conn->limits->frame_ms;
  if (now < end) {
    return end - now;
  }
  peri_limit_hit(PERI_LIMIT_FRAME_TIMEOUT);
  peri_conn_close(conn, peri_conn_complain(conn, PERI_ETIMEOUT, "CONN-FRAME",
                                           "a frame was not complete within frame_timeout = %u ms",
                                           conn->limits->frame_ms));
  return 0;
}

static void note_part(peri_conn *conn, bool part, bool fresh) {
  if (!part) {
    conn->part_since_ms = 0;
  } else if (fresh || conn->part_since_ms == 0) {
    conn->part_since_ms = peri_conn_now_ms(conn);
    if (conn->limits->frame_ms != 0) {
      peri_conn_wake(conn, conn->limits->frame_ms);
    }
  }
}

static void drop_empty_pending(peri_conn *conn) {
  if (conn->pending != NULL && conn->pending->count == 0) {
    free(conn->pending);
    conn->pending = NULL;
  }
}

// ---- silence --------------------------------------------------------------------------------

// Who says nothing may be one of those who connect long before they speak. They are few at a time:
// silence costs a peer nothing.
static _Atomic uint32_t silent_now;

static void end_silence(peri_conn *conn) {
  if (conn->silent) {
    conn->silent = false;
    atomic_fetch_sub_explicit(&silent_now, 1, memory_order_relaxed);
  }
}

static bool may_be_silent(peri_conn *conn) {
  uint32_t longest = peri_adapter_silent_ms(conn->allowed);
  if (conn->heard || conn->silent || longest <= conn->limits->first_byte_ms) {
    return false;
  }
  conn->silent = true;
  if (atomic_fetch_add_explicit(&silent_now, 1, memory_order_relaxed) >= conn->limits->silent) {
    end_silence(conn);
    peri_limit_hit(PERI_LIMIT_SILENT_CONNECTIONS);
    return false;
  }
  peri_conn_wake(conn, longest - conn->limits->first_byte_ms);
  return true;
}

static void note_heard(peri_conn *conn) {
  conn->heard = true;
  if (conn->silent) {
    end_silence(conn);
    peri_conn_wake(conn, conn->limits->first_byte_ms);
  }
}

static void check_first_byte(peri_conn *conn) {
  if (may_be_silent(conn)) {
    return;
  }
  peri_limit_hit(PERI_LIMIT_FIRST_BYTE_TIMEOUT);
  peri_conn_close(conn, peri_conn_complain(conn, PERI_ETIMEOUT, "CONN-FIRST-BYTE",
                                           "no known protocol within first_byte_timeout = %u ms",
                                           conn->limits->first_byte_ms));
}

static void on_timer(peri_timer *timer) {
  peri_conn *conn = peri_container(timer, peri_conn, timer);
  if (conn->closing) {
    return;
  }
  if (conn->protocol == NULL) {
    check_first_byte(conn);
    return;
  }
  drop_empty_pending(conn);
  uint64_t now = peri_conn_now_ms(conn);
  uint64_t next = check_settled(conn, now);
  next = conn->closing ? 0 : sooner(next, check_idle(conn, now));
  next = conn->closing ? 0 : sooner(next, check_part(conn, now));
  if (!conn->closing && conn->protocol->tick != NULL) {
    next = sooner(next, conn->protocol->tick(conn, now));
  }
  if (next != 0) {
    peri_conn_wake(conn, next);
  }
}

// ---- bytes ----------------------------------------------------------------------------------

static int machine_start(peri_conn *conn, const peri_protocol *protocol) {
  conn->protocol = protocol;
  conn->state = protocol->state_size != 0 ? peri_calloc(1, protocol->state_size) : NULL;
  int code = protocol->init != NULL ? protocol->init(conn) : 0;
  if (code < 0) {
    return code;
  }
  if (conn->server && conn->limits->negotiate_ms != 0) {
    conn->settle_by_ms = peri_conn_now_ms(conn) + conn->limits->negotiate_ms;
    peri_conn_wake(conn, conn->limits->negotiate_ms);
  }
  if (conn->limits->idle_ms != 0) {
    peri_conn_wake(conn, conn->limits->idle_ms);
  }
  return 0;
}

// Returns 0 when the protocol is known, PERI_AGAIN when more bytes are needed, or a failure.
static int sniff(peri_conn *conn, const uint8_t *data, size_t len) {
  bool more;
  const peri_protocol *protocol = peri_adapter_match(conn->allowed, data, len, &more);
  if (protocol == NULL) {
    return more ? PERI_AGAIN
                : peri_conn_complain(
                      conn, PERI_EPROTOCOL, "ADAPTER-UNKNOWN",
                      "the first bytes (%02x %02x) belong to no protocol allowed here", data[0],
                      len > 1 ? data[1] : 0);
  }
  peri_loop_cancel(peri_channel_loop(conn->channel), &conn->timer);
  return machine_start(conn, protocol);
}

static ssize_t on_data(void *arg, peri_channel *channel, peri_block *block, const uint8_t *data,
                       size_t len, size_t *need) {
  peri_conn *conn = (peri_conn *)arg;
  (void)channel;
  if (conn->closing) {
    return (ssize_t)len;
  }
  if (conn->protocol == NULL) {
    if (len != 0) {
      note_heard(conn);
    }
    int code = len == 0 ? PERI_AGAIN : sniff(conn, data, len);
    if (code != 0) {
      conn->closing = code < 0;
      return code == PERI_AGAIN ? 0 : code;
    }
  }
  ssize_t used = conn->protocol->feed(conn, block, data, len, need);
  conn->closing = conn->closing || used < 0;
  note_part(conn, used >= 0 && (size_t)used<len, used> 0);
  return used;
}

// ---- closing --------------------------------------------------------------------------------

// Calls above the last one that a GOAWAY promised to serve were certainly not run.
static void fail_pending(peri_conn *conn, int code) {
  peri_pending *map = conn->pending;
  conn->pending = NULL;  // a waiter that forgets its call finds nothing
  for (uint32_t n = 0; map != NULL && n <= map->mask; n++) {
    peri_pending_slot *slot = &map->slots[n];
    peri_future *future =
        slot->stream != 0 && slot->future != 0 ? peri_future_get(map->table, slot->future) : NULL;
    if (future != NULL && future->state == PERI_FUTURE_PENDING) {
      future->flags |= slot->stream > conn->served_up_to ? PERI_FUTURE_NOT_RUN : 0;
      peri_future_complete(map->table, slot->future, code);
    }
  }
  free(map);
}

static void on_closed(void *arg, peri_channel *channel, int code) {
  peri_conn *conn = (peri_conn *)arg;
  conn->closing = true;
  peri_loop_cancel(peri_channel_loop(channel), &conn->timer);
  end_silence(conn);
  fail_pending(conn, PERI_ECLOSED);
  if (conn->protocol != NULL && conn->protocol->fini != NULL) {
    conn->protocol->fini(conn);
  }
  peri_protocol_count_closed(code);
  conn->channel = NULL;
  if (conn->handler->closed != NULL) {
    conn->handler->closed(conn->arg, conn, code);
  }
  conn->calls_open = 0;
  for (peri_list *node; (node = conn->sessions.next) != &conn->sessions;) {
    peri_conn_session_free(conn, peri_container(node, peri_session, link));
  }
  if (conn->protocol != NULL) {
    free(conn->state);
  }
  free(conn);
}

static void on_writable(void *arg, peri_channel *channel) {
  peri_conn *conn = (peri_conn *)arg;
  (void)channel;
  if (conn->handler->writable != NULL && !conn->closing) {
    conn->handler->writable(conn->arg, conn);
  }
}

static const peri_channel_handler channel_handler = {on_data, on_writable, on_closed};

// ---- public ---------------------------------------------------------------------------------

static peri_conn *conn_new(peri_channel *channel, const peri_conn_handler *handler, void *arg,
                           const peri_conn_limits *limits) {
  peri_conn *conn = (peri_conn *)peri_calloc(1, sizeof *conn);
  conn->channel = channel;
  conn->handler = handler;
  conn->arg = arg;
  conn->limits = limits != NULL ? limits : &peri_conn_limits_default;
  conn->served_up_to = UINT64_MAX;
  peri_list_init(&conn->sessions);
  peri_list_init(&conn->calls);
  peri_timer_init(&conn->timer, on_timer);
  return conn;
}

peri_conn *peri_conn_accept(peri_channel *channel, const char *const *protocols,
                            const peri_conn_handler *handler, void *arg,
                            const peri_conn_limits *limits) {
  peri_conn *conn = conn_new(channel, handler, arg, limits);
  conn->server = true;
  conn->allowed = protocols;
  peri_protocol_count(PERI_COUNT_ACCEPTED);
  peri_channel_start(channel, &channel_handler, conn, &conn->limits->channel);
  if (conn->limits->first_byte_ms != 0) {
    peri_conn_wake(conn, conn->limits->first_byte_ms);
  }
  return conn;
}

peri_conn *peri_conn_start(peri_channel *channel, const peri_protocol *protocol,
                           const peri_conn_handler *handler, void *arg,
                           const peri_conn_limits *limits) {
  peri_conn *conn = conn_new(channel, handler, arg, limits);
  peri_protocol_count(PERI_COUNT_STARTED);
  peri_channel_start(channel, &channel_handler, conn, &conn->limits->channel);
  int code = machine_start(conn, protocol);
  if (code < 0) {
    peri_conn_close(conn, code);
  }
  return conn;
}

void peri_conn_drain(peri_conn *conn) {
  if (conn->closing || conn->draining) {
    return;
  }
  conn->draining = true;
  if (conn->protocol != NULL && conn->protocol->drain != NULL) {
    conn->protocol->drain(conn);
  }
}

void peri_conn_close(peri_conn *conn, int code) {
  if (conn->channel != NULL) {
    conn->closing = true;
    peri_channel_close(conn->channel, code);
  }
}

void peri_conn_finish(peri_conn *conn) {
  if (conn->channel != NULL && !conn->closing) {
    conn->closing = true;
    peri_channel_finish(conn->channel);
  }
}

int peri_conn_complain(peri_conn *conn, int code, const char *tag, const char *format, ...) {
  char text[256];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  peri_protocol_count_tag(tag);
  peri_log(PERI_LOG_WARN, tag, "%s: %s (%s)", peri_channel_peer(conn->channel), text,
           peri_code_name(code));
  return code;
}
