// SPDX-License-Identifier: MIT
// One connection of the load generator: requests go out batched, replies are matched to their
// requests and checked. The socket does not block; the caller polls it. One thread.
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "hist.h"
#include "wire.h"

enum { BENCH_DEPTH_MAX = 1 << 17, BENCH_ERROR_TEXT = 160 };

// What all connections of a run count together.
typedef struct bench_tally {
  uint64_t now;          // ns, of this turn; the caller sets it
  uint64_t begin, end;   // the timed window, ns
  uint64_t calls;        // good replies that came within the window
  uint64_t good;         // of these, the ones within the deadline that was sent
  uint64_t refused;      // replies within the window that say the call failed
  uint64_t errors;       // failures, wrong echoes and lost requests, at any time
  uint64_t seed;         // of the next request
  unsigned check_every;  // compares the echoed bytes of each so-many-th reply; 1 = all
  char first_error[BENCH_ERROR_TEXT];
  bench_hist latency;  // of requests that were due within the window
} bench_tally;

typedef struct bench_slot {
  uint64_t due;
  uint64_t seed;
  uint32_t next_free;
  uint32_t generation;  // 0 = never used
  int busy;
} bench_slot;

typedef struct bench_conn {
  const bench_wire *wire;
  const bench_wire_conf *conf;
  bench_tally *tally;
  int fd;  // -1 once it failed
  bench_slot *slots;
  uint32_t depth;
  uint32_t in_flight;
  uint32_t free_slot;  // head of the free list; on an ordered wire the next slot of the ring
  uint32_t oldest;     // ordered wires: the slot the next reply is for
  uint8_t *in;
  size_t in_used, in_size;
  uint8_t *out;
  size_t out_sent, out_used, out_size;
} bench_conn;

// Connects to 127.0.0.1 and shakes hands, blocking. Borrows the three pointers until fini.
// Returns 0, or -1 having said why on stderr.
int bench_conn_init(bench_conn *conn, const bench_wire *wire, const bench_wire_conf *conf,
                    bench_tally *tally, int port, uint32_t depth);
// What is still in flight is lost: counted as errors.
void bench_conn_fini(bench_conn *conn);
static inline int bench_conn_full(const bench_conn *conn) {
  return conn->in_flight == conn->depth || conn->fd < 0;
}
// Queues one request that was due at `due` (ns). The connection must not be full.
void bench_conn_push(bench_conn *conn, uint64_t due);
// Writes what is queued. Returns 1 if some is left (poll for writing), else 0.
int bench_conn_flush(bench_conn *conn);
// Reads what is there and settles the replies. Returns how many.
uint32_t bench_conn_poll(bench_conn *conn);
// Connects and shakes hands; blocking socket. Returns it, or -1 having said why.
int bench_connect(const bench_wire *wire, const bench_wire_conf *conf, int port);
