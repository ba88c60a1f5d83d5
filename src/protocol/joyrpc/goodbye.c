// SPDX-License-Identifier: MIT
// How a server tells its clients that it will end.
//
// A stock consumer that waits for no answer when the offline notice comes closes at once, and calls on
// into the closed connection until its cluster's timer comes round, some 100 ms later; one that waits
// for an answer first takes the node off its list. So the notice overtakes a call: the next one within
// NOTICE_WAIT_MS, which is left unread until the consumer has seen the notice.
#include "protocol/joyrpc/joyrpc.h"

enum { NOTICE_WAIT_MS = 300, UNREAD_MS = 50 };

static void say_goodbye(peri_conn *conn) {
  joy_state *state = joy_state_of(conn);
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
  if (conn->native || conn->session_count == 0) {
    say_goodbye(conn);
    return;
  }
  joy_state_of(conn)->goodbye_by_ms = peri_conn_now_ms(conn) + NOTICE_WAIT_MS;
  peri_conn_wake(conn, NOTICE_WAIT_MS);
}

bool joy_goodbye_overtakes(peri_conn *conn, const joy_frame *frame) {
  joy_state *state = joy_state_of(conn);
  if (state->goodbye_by_ms == 0 || frame->type != JOY_REQUEST) {
    return false;
  }
  say_goodbye(conn);
  state->goodbye_by_ms = 0;
  state->read_on_ms = peri_conn_now_ms(conn) + UNREAD_MS;
  peri_channel_pause(conn->channel);
  peri_conn_wake(conn, UNREAD_MS);
  return true;
}

uint64_t joy_goodbye_tick(peri_conn *conn, uint64_t now_ms) {
  joy_state *state = joy_state_of(conn);
  uint64_t due = state->goodbye_by_ms != 0 ? state->goodbye_by_ms : state->read_on_ms;
  if (due > now_ms) {
    return due - now_ms;
  }
  if (state->goodbye_by_ms != 0) {
    state->goodbye_by_ms = 0;
    say_goodbye(conn);
  } else if (state->read_on_ms != 0) {
    state->read_on_ms = 0;
    peri_channel_resume(conn->channel);
  }
  return 0;
}
