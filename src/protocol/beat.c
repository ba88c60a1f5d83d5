// SPDX-License-Identifier: MIT
#include "protocol/conn.h"

void peri_conn_beat_begin(peri_conn *conn) {
  if (conn->server || conn->limits->beat_ms == 0) {
    return;
  }
  conn->beat_at_ms = peri_conn_now_ms(conn);
  peri_conn_wake(conn, conn->limits->beat_ms);
}

static bool is_dead(peri_conn *conn) {
  bool heard = peri_channel_last_in_ms(conn->channel) >= conn->beat_at_ms;
  conn->beats_missed = heard ? 0 : (uint8_t)(conn->beats_missed + 1);
  return conn->beats_missed >= conn->limits->beat_misses;
}

uint64_t peri_conn_beat(peri_conn *conn, uint64_t now_ms, const char *tag, peri_beat_fn send) {
  uint64_t interval = conn->limits->beat_ms;
  if (interval == 0) {
    return 0;
  }
  if (now_ms < conn->beat_at_ms + interval) {
    return conn->beat_at_ms + interval - now_ms;
  }
  if (is_dead(conn)) {
    peri_conn_close(conn,
                    peri_conn_complain(conn, PERI_ETIMEOUT, tag, "%u heartbeats without any answer",
                                       conn->beats_missed));
    return 0;
  }
  conn->beat_at_ms = now_ms;
  send(conn);
  return interval;
}
