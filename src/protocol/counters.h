// SPDX-License-Identifier: MIT
// What went wrong or ended on connections, counted per process. Any thread. The metrics registry
// lists them by peri_protocol_counter_at.
#pragma once
#include <stddef.h>
#include <stdint.h>

// X(enumerator, name): one counter each. A name with a capital is also the tag of the log line; the
// tags of a protocol are in its table (protocol.h).
#define PERI_PROTOCOL_COUNTERS(X)                                                                  \
  X(ACCEPTED, "connections_accepted")                                                              \
  X(STARTED, "connections_started")                                                                \
  X(CLOSED, "connections_closed")                                                                  \
  X(LATE, "replies_late")                                                                          \
  X(SESSIONS, "sessions_opened")                                                                   \
  X(EVICTED, "sessions_evicted")                                                                   \
  X(ADAPTER_UNKNOWN, "ADAPTER-UNKNOWN")                                                            \
  X(CONN_FIRST_BYTE, "CONN-FIRST-BYTE")                                                            \
  X(CONN_SETTLE, "CONN-SETTLE")                                                                    \
  X(CONN_FRAME, "CONN-FRAME")                                                                      \
  X(CALL_TOO_BIG, "CALL-TOO-BIG")                                                                  \
  X(CONN_IDLE, "CONN-IDLE")                                                                        \
  X(OTHER, "OTHER")

typedef enum peri_protocol_counter {
#define X(name, text) PERI_COUNT_##name,
  PERI_PROTOCOL_COUNTERS(X)
#undef X
      PERI_COUNT_LAST
} peri_protocol_counter;

void peri_protocol_count(peri_protocol_counter counter);
// Counts under `tag` when it is one of the above or of a protocol, else under OTHER.
void peri_protocol_count_tag(const char *tag);
uint64_t peri_protocol_counter_get(peri_protocol_counter counter);
// The n-th counter's name, NULL past the end; its value through `value`.
const char *peri_protocol_counter_at(size_t n, uint64_t *value);
// Connections that ended with `code` (0 or PERI_E*).
void peri_protocol_count_closed(int code);
uint64_t peri_protocol_closed_get(int code);
