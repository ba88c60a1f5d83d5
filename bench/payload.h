// SPDX-License-Identifier: MIT
// The argument of one call, made from a seed so that it can be made again to check the echo. Every
// seed gives other bytes: nothing between the two ends can be cached or interned.
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef enum bench_kind {
  BENCH_OPAQUE,       // the bytes themselves
  BENCH_MSGPACK_STR,  // a MessagePack string
  BENCH_MSGPACK_MAP,  // a MessagePack map of five fields: id, name, price, active, tags
  BENCH_JSON_MAP,     // the same map as JSON
} bench_kind;

// Most bytes a payload of `bytes` characters takes, whatever its kind.
size_t bench_payload_bound(size_t bytes);
// Writes the payload to `out` and returns its length, which depends on kind and bytes only.
// `bytes` counts for OPAQUE and MSGPACK_STR (at least 16); the maps have one size.
size_t bench_payload_encode(bench_kind kind, size_t bytes, uint64_t seed, uint8_t *out);
// 1 if `got` is the payload of `seed`, 0 if not. A map may come back in another order of fields.
int bench_payload_check(bench_kind kind, size_t bytes, uint64_t seed, const uint8_t *got, size_t n);
