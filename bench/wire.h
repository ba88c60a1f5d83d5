// SPDX-License-Identifier: MIT
// The protocols the load generator speaks. Each is three functions: a blocking handshake, an
// encoder for one request and a decoder for one reply. No state between calls.
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "payload.h"

typedef struct bench_wire_conf {
  bench_kind kind;
  size_t bytes;            // of the payload's text
  const char *serializer;  // perilune: raw, msgpack or json
  const char *interface;   // perilune, borrowed
  const char *alias;       // perilune, borrowed
  const char *method;      // the beginning of the name, or all of it when methods is 0
  unsigned methods;        // names method0 .. method(methods-1) in turn
  uint32_t timeout_ms;     // perilune: the deadline sent
} bench_wire_conf;

typedef struct bench_reply {
  uint32_t id;             // of the request; unused when the wire answers in order
  int ok;                  // the server says it succeeded
  const uint8_t *payload;  // borrowed from the bytes decoded
  size_t n;
  const char *text;  // what a failure says, borrowed; NULL when it says nothing
  size_t text_len;
} bench_reply;

typedef struct bench_wire {
  const char *name;
  int ordered;  // replies come in the order of the requests, without an id
  // Returns 0, or -1 having said why on stderr.
  int (*handshake)(int fd, const bench_wire_conf *conf);
  // Writes request `id` with the payload of `seed`; `out` has bench_wire_bound() bytes. Returns
  // its length.
  size_t (*encode)(const bench_wire_conf *conf, uint32_t id, uint64_t seed, uint8_t *out);
  // Returns the length of the reply at the beginning of `bytes`, 0 when it is not complete (then
  // `*need` is the bytes it takes, when known), -1 when these are not a reply's bytes.
  long (*decode)(const bench_wire_conf *conf, const uint8_t *bytes, size_t n, bench_reply *reply,
                 size_t *need);
} bench_wire;

extern const bench_wire bench_wire_dubbo;
extern const bench_wire bench_wire_floor;
extern const bench_wire bench_wire_joyrpc;
extern const bench_wire bench_wire_perilune;
extern const bench_wire bench_wire_redis;
extern const bench_wire bench_wire_tarantool;

// The wire of that name, or NULL.
const bench_wire *bench_wire_find(const char *name);
size_t bench_wire_bound(const bench_wire_conf *conf);
// Blocking. Return 0, or -1 when the peer closed.
int bench_wire_read(int fd, void *bytes, size_t n);
int bench_wire_write(int fd, const void *bytes, size_t n);

static inline void bench_put16(uint8_t *p, uint32_t v) {
  p[0] = (uint8_t)(v >> 8);
  p[1] = (uint8_t)v;
}
static inline void bench_put32(uint8_t *p, uint32_t v) {
  bench_put16(p, v >> 16);
  bench_put16(p + 2, v);
}
static inline uint32_t bench_get16(const uint8_t *p) {
  return (uint32_t)p[0] << 8 | p[1];
}
static inline uint32_t bench_get32(const uint8_t *p) {
  return bench_get16(p) << 16 | bench_get16(p + 2);
}
