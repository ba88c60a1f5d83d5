// SPDX-License-Identifier: MIT
// How a server tells its clients that it will end.
//
// A stock consumer that waits for no answer when the offline notice comes closes at once, and calls on
// into the closed connection until its cluster's timer comes round, some 100 ms later; one that waits
// for an answer first takes the node off its list. So the notice follows a call: the ones in progress,
// or the next to come within NOTICE_WAIT_MS.
#include "protocol/joyrpc/joyrpc.h"

enum { NOTICE_WAIT_MS = 300 };

static void say_goodbye(peri_conn *conn) {
  joy_state *state = joy_state_of(conn);
  state->goodbye_by_ms = 0;
  state->said_goaway = conn->native;
  state->goaway_at = state->last_in;
  peri_event goaway = {.type = PERI_EV_GOAWAY, .stream = state->last_in};
  joy_emit(conn, &goaway);
}

// A JoyRPC client may still send for a while, and is served; ours knows the last one that is.
void joy_drain(peri_conn *conn) {
  if (!conn->server) {
    return;
  }
  if (conn->native || conn->calls_open != 0 || conn->session_count == 0) {
    say_goodbye(conn);
    return;
  }
  joy_state_of(conn)->goodbye_by_ms = peri_conn_now_ms(conn) + NOTICE_WAIT_MS;
  peri_conn_wake(conn, NOTICE_WAIT_MS);
}

void joy_goodbye_on_call(peri_conn *conn) {
  if (joy_state_of(conn)->goodbye_by_ms != 0 && conn->calls_open != 0) {
    say_goodbye(conn);
  }
}

uint64_t joy_goodbye_tick(peri_conn *conn, uint64_t now_ms) {
  uint64_t by = joy_state_of(conn)->goodbye_by_ms;
  if (by > now_ms) {
    return by - now_ms;
  }
  if (by != 0) {
    say_goodbye(conn);
  }
  return 0;
}
