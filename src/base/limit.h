// SPDX-License-Identifier: MIT
// The limits of the process by name, and how often each was reached. The names are those of the
// settings (lua/perilune/process/settings.lua), of the metric perilune_limit_hits{limit="..."}, and
// of the error texts. The values live with whoever enforces them. Any thread.
#pragma once
#include <stddef.h>
#include <stdint.h>

// X(enumerator, name)
#define PERI_LIMITS(X)                                                                             \
  X(FRAME_SIZE, "frame_size")                                                                      \
  X(HEAD_SIZE, "head_size")                                                                        \
  X(VALUE_DEPTH, "value_depth")                                                                    \
  X(VALUE_ELEMENTS, "value_elements")                                                              \
  X(VALUE_STRING, "value_string")                                                                  \
  X(CONNECTIONS, "connections")                                                                    \
  X(CONNECTIONS_PER_LISTENER, "connections_per_listener")                                          \
  X(CONNECTIONS_PER_PEER, "connections_per_peer")                                                  \
  X(CONNECTIONS_OUT, "connections_out")                                                            \
  X(SESSIONS_PER_CONNECTION, "sessions_per_connection")                                            \
  X(CALLS, "calls")                                                                                \
  X(CALLS_PER_CONNECTION, "calls_per_connection")                                                  \
  X(QUEUE_AGE, "queue_age")                                                                        \
  X(EXECUTOR_QUEUE, "executor_queue")                                                              \
  X(PINNED_BYTES, "pinned_bytes")                                                                  \
  X(PARTIAL_BYTES, "partial_bytes")                                                                \
  X(OUTPUT_HIGH_WATER, "output_high_water")                                                        \
  X(OUTPUT_LIMIT, "output_limit")                                                                  \
  X(OUTPUT_STALL, "output_stall")                                                                  \
  X(AUTHENTICATIONS, "authentications")                                                            \
  X(LETTERS, "letters")                                                                            \
  X(IDLE_TIMEOUT, "idle_timeout")                                                                  \
  X(FIRST_BYTE_TIMEOUT, "first_byte_timeout")                                                      \
  X(SILENT_CONNECTIONS, "silent_connections")                                                      \
  X(NEGOTIATE_TIMEOUT, "negotiate_timeout")                                                        \
  X(FRAME_TIMEOUT, "frame_timeout")                                                                \
  X(CALLBACKS_PER_CONNECTION, "callbacks_per_connection")                                          \
  X(EVENTS, "events")                                                                              \
  X(FUTURES, "futures")                                                                            \
  X(COROUTINES, "coroutines")                                                                      \
  X(LUA_MEMORY, "lua_memory")

typedef enum peri_limit {
#define X(name, text) PERI_LIMIT_##name,
  PERI_LIMITS(X)
#undef X
      PERI_LIMIT_LAST
} peri_limit;

void peri_limit_hit(peri_limit limit);
uint64_t peri_limit_hits(peri_limit limit);
// The n-th limit's name, NULL past the end; how often it was reached through `hits`.
const char *peri_limit_at(size_t n, uint64_t *hits);
