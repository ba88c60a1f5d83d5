// SPDX-License-Identifier: MIT
// The calls that wait for their turn: which of them are still worth running.
#include <stdio.h>

#include "base/hot.h"
#include "base/limit.h"
#include "entry/server.h"

// Controlled delay, after Nichols and Jacobson (2012) in the simple form Facebook described (2015):
// only a queue that does not empty for a while is overload.
static bool too_old(const peri_server *server, const peri_call *call) {
  const peri_server_limits *limits = &server->limits;
  uint64_t now = server->loop->now_ns;
  uint64_t burst = (uint64_t)limits->burst_ms * 1000000u;
  uint64_t most = (uint64_t)limits->queue_ms * 1000000u;
  if (now - server->empty_ns < burst) {
    most = most > burst ? most : burst;
  }
  return limits->queue_ms != 0 && !call->hired && now - call->arrived_ns > most;
}

void peri_server_forgive(peri_server *server, uint64_t ns) {
  peri_loop_update(server->loop);
  uint64_t now = server->loop->now_ns;
  server->empty_ns = server->empty_ns + ns < now ? server->empty_ns + ns : now;
  for (peri_list *n = server->queue.next; n != &server->queue; n = n->next) {
    peri_call *call = peri_container(n, peri_call, queue);
    call->arrived_ns = call->arrived_ns + ns < now ? call->arrived_ns + ns : now;
  }
}

static PERI_COLD void fail_age(peri_server *server, peri_call *call) {
  char text[96];
  peri_limit_hit(PERI_LIMIT_QUEUE_AGE);
  snprintf(text, sizeof text, "the call waited too long in the queue (queue_age = %u ms)",
           server->limits.queue_ms);
  peri_call_fail(server, call, PERI_EOVERLOADED, peri_bytes_of(text), true);
}

// True when the call may run; otherwise it has been answered and released.
static bool worth_running(peri_server *server, peri_call *call) {
  uint64_t now = server->loop->now_ns;
  if (call->conn == NULL && !call->local && !call->hired) {
    server->dropped++;
    peri_call_release(server, call);
    return false;
  }
  if (call->deadline_ns <= now) {
    server->expired++;
    peri_call_fail(server, call, PERI_ETIMEOUT, peri_bytes_of("the deadline passed in the queue"),
                   true);
    return false;
  }
  if (too_old(server, call)) {
    server->refused_age++;
    fail_age(server, call);
    return false;
  }
  if (!call->method->open) {
    // A reload took it away while the call was in the queue.
    int code = call->method->exporter->open ? PERI_ENO_METHOD : PERI_ENO_SERVICE;
    peri_call_fail(server, call, code, peri_bytes_of("it is exported no more"), true);
    return false;
  }
  if (!peri_method_enter(call->method)) {
    call->method->rejected++;
    server->refused_limit++;
    peri_call_fail(server, call, PERI_EOVERLOADED,
                   peri_bytes_of("the method's concurrency limit is reached"), true);
    return false;
  }
  return true;
}

// A turn's calls and what they came with are more than the nearest cache holds: the next one is brought
// while this one runs.
static void fetch(const peri_call *call) {
  for (size_t at = 0; at < sizeof *call; at += 64) {
    __builtin_prefetch((const char *)call + at, 1);
  }
}

peri_call *peri_server_next(peri_server *server) {
  peri_list *node;
  while ((node = peri_list_pop(&server->queue)) != NULL) {
    peri_call *call = peri_container(node, peri_call, queue);
    if (peri_list_empty(&server->queue)) {
      server->empty_ns = server->loop->now_ns;
    } else {
      fetch(peri_container(server->queue.next, peri_call, queue));
    }
    if (worth_running(server, call)) {
      call->state = PERI_CALL_RUNNING;
      peri_list_init(&call->fibers);
      call->method->calls++;
      return call;
    }
  }
  return NULL;
}
