// SPDX-License-Identifier: MIT
// What the fuzz targets of protocol machines share: a machine as server or as client is fed the
// input in pieces that it chooses. First byte: bit 0 client, bit 1 the target's, bits 2.. size of
// the pieces. The server answers what it is asked with its own arguments, so that writing is fuzzed
// too.
#pragma once
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "protocol/conn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static peri_loop loop;
static peri_futures futures;
static peri_conn_limits limits;
static int closed;

static void arm(void *timers, peri_timer *timer, uint64_t delay_ms) {
  peri_loop_arm((peri_loop *)timers, timer, delay_ms);
}

static void disarm(void *timers, peri_timer *timer) {
  peri_loop_cancel((peri_loop *)timers, timer);
}

static uint64_t touch(peri_bytes bytes) {
  uint64_t sum = 0;
  for (size_t n = 0; n < bytes.len; n++) {
    sum += bytes.ptr[n];
  }
  return sum;
}

static volatile uint64_t sink;

static void on_event(void *arg, peri_conn *conn, const peri_event *event) {
  (void)arg;
  sink += touch(event->iface) + touch(event->alias) + touch(event->method) + touch(event->body) +
          touch(event->attachments) + touch(event->message) + touch(event->callback);
  if (event->type != PERI_EV_OPEN) {
    return;
  }
  peri_event reply = *event;
  reply.type = PERI_EV_REPLY;
  reply.flags = event->flags & PERI_EV_CALLBACK;
  reply.code = event->method.len % 3 == 0 ? PERI_ENOT_FOUND : 0;
  reply.message = event->method;
  conn->protocol->emit(conn, &reply);
}

static int on_authenticate(void *arg, peri_conn *conn, peri_session *session, uint32_t request,
                           peri_bytes type, peri_bytes attributes) {
  (void)arg;
  (void)conn;
  (void)session;
  (void)request;
  sink += touch(type) + touch(attributes);
  return type.len % 2 == 0 ? 0 : PERI_EUNAUTHENTICATED;
}

static void on_closed(void *arg, peri_conn *conn, int code) {
  (void)arg;
  (void)conn;
  (void)code;
  closed++;
}

static const peri_conn_handler handler = {
    .event = on_event, .authenticate = on_authenticate, .closed = on_closed};

static void on_done(peri_future *future) {
  sink += touch(future->body) + touch(future->message) + touch(future->attachments);
  peri_future_release(&futures, future);
}

static void on_opened(void *arg, peri_session *session, int code, const char *why) {
  (void)arg;
  (void)why;
  peri_check((session != NULL) == (code == 0));
}

static ssize_t on_raw_data(void *arg, peri_channel *channel, peri_block *block, const uint8_t *data,
                           size_t len, size_t *need) {
  (void)arg;
  (void)channel;
  (void)block;
  (void)data;
  (void)need;
  return (ssize_t)len;
}

static void on_raw_closed(void *arg, peri_channel *channel, int code) {
  (void)channel;
  (void)code;
  *(peri_channel **)arg = NULL;
}

static const peri_channel_handler raw_handler = {.data = on_raw_data, .closed = on_raw_closed};

static void start_once(void) {
  if (futures.arm == NULL) {
    peri_log_threshold = PERI_LOG_OFF;
    peri_check(peri_loop_init(&loop) == 0);
    peri_futures_init(&futures, 64);
    futures.arm = arm;
    futures.disarm = disarm;
    futures.timers = &loop;
    limits = peri_conn_limits_default;
    limits.frame = 65536;
    limits.sessions = 8;
  }
}

// What a client waits for, so that answers in the input find somebody.
static inline void fuzz_ask(peri_conn *conn, const peri_protocol *protocol) {
  const char *const auth[] = {".token", "s", NULL};
  peri_session_params params = {
      .iface = "i", .alias = "a", .auth_type = "token", .auth_attributes = auth};
  peri_check(protocol->open_session(conn, &params, on_opened, NULL) == 0);
  for (int n = 0; n < 4; n++) {
    peri_future *future = peri_future_new(&futures, on_done, NULL);
    future->stream = peri_conn_expect(conn, future);
  }
  peri_conn_open_stream(conn);
}

// Presents the bytes like a channel would: what is not consumed comes again with more behind it.
static void feed(peri_conn *conn, const uint8_t *data, size_t len, size_t piece) {
  size_t start = 0;
  for (size_t end = 0; end < len && !conn->closing;) {
    end = len - end > piece ? end + piece : len;
    peri_block *block = peri_block_new((uint32_t)(end - start));
    memcpy(block->data, data + start, end - start);
    size_t need = 0;
    ssize_t used = conn->protocol->feed(conn, block, block->data, end - start, &need);
    peri_check(used <= (ssize_t)(end - start));
    peri_check(used < 0 || need == 0 || need > end - start - (size_t)used);
    peri_block_unref(block);
    if (used < 0) {
      peri_conn_close(conn, (int)used);
      return;
    }
    start += (size_t)used;
  }
}

// Feeds one input to `protocol`; `prepare` (may be NULL) sees the connection and the first byte
// before.
static inline int fuzz_machine(const peri_protocol *protocol, const uint8_t *data, size_t len,
                               void (*prepare)(peri_conn *conn, uint8_t first)) {
  if (len < 2) {
    return 0;
  }
  start_once();
  bool client = (data[0] & 1) != 0;
  peri_channel *ends[2];
  peri_check(peri_channel_pair(&loop, ends) == 0);
  peri_channel_start(ends[1], &raw_handler, &ends[1], NULL);
  peri_conn *conn = peri_conn_start(ends[0], protocol, &handler, NULL, &limits);
  conn->server = !client;
  closed = 0;
  if (client) {
    fuzz_ask(conn, protocol);
  }
  if (prepare != NULL) {
    prepare(conn, data[0]);
  }
  feed(conn, data + 1, len - 1, (size_t)(data[0] >> 2) + 1);
  if (!conn->closing) {
    protocol->tick(conn, peri_conn_now_ms(conn) + 5000);
    peri_conn_close(conn, 0);
  }
  for (int n = 0; n < 10 && (closed == 0 || ends[1] != NULL); n++) {
    peri_loop_turn(&loop, 0);
  }
  peri_check(closed == 1 && ends[1] == NULL);
  peri_check(futures.slots.live == 0);
  return 0;
}
