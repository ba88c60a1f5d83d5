// SPDX-License-Identifier: MIT
// JoyRPC's frame, which stock peers and ours have in common: its header, its cutting and the
// exchange that opens a session.
//
//   magic AD D0 | u32 length (frame - 2) | u16 header 18 | u8 type | u32 id | u32 session |
//   u8 serialization | u8 compression | u32 timeout ms | u8 attributes 0 | body
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "wire.h"

enum {
  BENCH_JOY_HEADER = 24,  // bytes, without attributes
  BENCH_JOY_REQUEST = 1,
  BENCH_JOY_REPLY = 2,
  BENCH_JOY_LIMIT = 64 * 1024 * 1024,
};

// Writes the header of a frame of `frame` bytes, header included, for a request to `session` 1.
void bench_joy_header(uint8_t *p, size_t frame, uint8_t type, uint32_t id, uint8_t serialization,
                      uint32_t timeout_ms);

// Finds the reply at the beginning of `bytes`: sets its id and, as its payload, all of its body.
// Returns as bench_wire.decode does.
long bench_joy_cut(const uint8_t *bytes, size_t n, bench_reply *reply, size_t *need);

// Blocking: asks for a session with `serialization` and, besides interface and alias, the attributes
// `extra` (JSON, a comma behind each), and reads the answer. Returns 0 when the server agrees, else -1
// having said why on stderr.
int bench_joy_negotiate(int fd, const bench_wire_conf *conf, const char *serialization,
                        const char *extra);
