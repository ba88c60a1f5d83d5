// SPDX-License-Identifier: MIT
// Two connections on one loop, joined by a relay that the spec controls: it cuts, delays, drops and
// records the bytes of either direction. What each side hears is written down as lines of text. The
// clock is the spec's.
#pragma once
#include "future/future.h"
#include "protocol/conn.h"

extern const peri_protocol peri_test_protocol;

enum { PERI_TEST_UP, PERI_TEST_DOWN };  // client to server, server to client

typedef struct peri_test_side {
  peri_conn *conn;    // NULL once closed
  peri_channel *raw;  // the relay's end, NULL once closed
  peri_buf heard;     // lines
  peri_buf wire;      // every byte that this side sent
  size_t relayed;     // of wire
  size_t cut;         // relay stops here for one pump, 0 = nowhere
  size_t drop;        // bytes from here on are never relayed and the connection ends; 0 = never
  bool opened;        // false: the spec is this side
  uint32_t requests;  // OPENs that came as a peri_request
  struct peri_test_rig *rig;
} peri_test_side;

typedef struct peri_test_rig {
  peri_loop loop;
  peri_futures futures;
  peri_test_side side[2];  // PERI_TEST_UP: the client, PERI_TEST_DOWN: the server
  size_t chunk;            // most bytes relayed at once, 0 = all
  int authenticate;        // what the server's handler returns
  uint32_t auth_request;
  uint32_t used_session;  // the one that the server's open calls belong to
  peri_session *session;  // last opened by the client, NULL
  int session_code;
  uint32_t session_calls;
  char session_why[256];
  uint32_t pending;  // futures not done
  peri_conn_limits limits;
} peri_test_rig;

// `protocol` NULL: only the server's side exists, the client is the spec (peri_test_send).
peri_test_rig *peri_test_rig_new(const peri_protocol *protocol, const peri_conn_limits *limits);
// Closes both sides, checks that nothing is left. Returns the number of forgotten handles.
int peri_test_rig_free(peri_test_rig *rig);
// Turns the loop and relays until nothing moves.
void peri_test_pump(peri_test_rig *rig);
// Moves the clock and fires timers, in steps of a second, pumping.
void peri_test_advance(peri_test_rig *rig, uint32_t ms);
// Puts bytes on the wire as if `side` had sent them.
void peri_test_send(peri_test_rig *rig, int side, const uint8_t *data, size_t len);
// Expects an answer; when it is there, a line `DONE stream code body` is heard by `side`.
uint64_t peri_test_expect(peri_test_rig *rig, int side);
// Forgets the registration and drops its future silently.
void peri_test_forget(peri_test_rig *rig, int side, uint64_t stream, bool tell);
int peri_test_open_session(peri_test_rig *rig, const peri_session_params *params);
// Puts the system's clock back.
void peri_test_clock_restore(void);
