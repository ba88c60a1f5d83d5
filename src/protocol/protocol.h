// SPDX-License-Identifier: MIT
// A protocol is a machine per connection: bytes in become events, events out become bytes. Adding
// one touches its folder and one line in protocol/protocols.c. All functions run on the loop's
// thread, never block, and are entered with a connection that is not closed.
#pragma once
#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "protocol/message_defs.h"

struct peri_conn;
struct peri_session;

typedef enum peri_match { PERI_MATCH_NO, PERI_MATCH_YES, PERI_MATCH_NEED } peri_match;

enum {  // peri_protocol.abilities
  PERI_CAN_ONEWAY = 1,
  PERI_CAN_STREAM = 2,
  PERI_CAN_CANCEL = 4,
  PERI_CAN_CALLBACK = 8,  // calls from the server
  PERI_CAN_GOAWAY = 16,
  PERI_REPLIES_IN_ORDER = 32,  // answers must leave in the order of the requests
  PERI_CALLBACK_BY_TYPE = 64,  // see peri_event.callback: the types of arguments must be told
};

// Where a message begun with `begin` lies in the connection's output buffer.
typedef struct peri_mark {
  size_t start;  // of the message
  size_t body;   // of the value that the caller encodes
  bool plain;    // for who chooses between `begin` and `reply_begin`; the protocol leaves it alone
} peri_mark;

// What a client asks of a session with one service.
typedef struct peri_session_params {
  const char *iface;
  const char *alias;
  const char *serializer;       // preferred; NULL = the best both know
  const char *compression;      // preferred; NULL = none
  uint32_t timeout_ms;          // of the negotiation, default 3 000
  uint32_t session_timeout_ms;  // how long the server keeps it without a beat, default 90 000
  // Attributes sent along (app name, token for authentication ...): pairs, NULL-terminated.
  const char *const *attributes;
  const char *auth_type;               // e.g. "token"; NULL = no authentication step
  const char *const *auth_attributes;  // pairs, NULL-terminated; secret, never logged
} peri_session_params;

// Exactly once per accepted open_session: `session` (owned by the connection) or a code and a text.
typedef void (*peri_session_fn)(void *arg, struct peri_session *session, int code, const char *why);

typedef struct peri_protocol {
  const char *name;    // URLs of its peers may begin with it
  const char *scheme;  // or with this; NULL = nothing else
  // What Java calls the class of a function among the arguments of a call, where types are told that
  // nobody declared. NULL = Object.
  const char *function_class;
  uint32_t abilities;
  uint32_t state_size;  // bytes of zeroed memory at conn->state
  uint32_t match_max;   // most bytes `match` ever needs; 0 = cannot be detected (client only)
  uint32_t silent_ms;   // its clients may say nothing for so long after they connected
  // What it complains of by peri_conn_complain: each tag has a counter. NULL-terminated; NULL =
  // none.
  const char *const *tags;

  // Pure and bounded. Called with the first `len` bytes of a connection, again with more after NEED.
  peri_match (*match)(const uint8_t *data, size_t len);

  int (*init)(struct peri_conn *conn);  // 0 or PERI_E*, which closes the connection
  void (*fini)(struct peri_conn *conn);

  // Consumes whole units of [data, data+len) and reports each through peri_conn_event. Returns the
  // bytes consumed, or a negative PERI_E*: the connection is closed with it. When bytes are left,
  // *need is the size of the unit that begins with them, 0 = unknown (never that of one consumed).
  // Never keeps pointers without a reference on `block`.
  ssize_t (*feed)(struct peri_conn *conn, peri_block *block, const uint8_t *data, size_t len,
                  size_t *need);

  // Writes everything of `event` in front of the body into the output buffer; the caller appends
  // the body (encoded in event->serializer) and calls `end`, which compresses if asked and fixes
  // lengths, or `abort`, which takes the message back. Nothing else may be written in between.
  int (*begin)(struct peri_conn *conn, const peri_event *event, peri_mark *mark);
  int (*end)(struct peri_conn *conn, const peri_event *event, const peri_mark *mark);
  void (*abort)(struct peri_conn *conn, const peri_mark *mark);

  // A whole event whose body is known bytes in event->serializer and event->compression (`begin`
  // takes the same field as a wish, `emit` as a fact). Large bodies in event->block are written by
  // reference.
  int (*emit)(struct peri_conn *conn, const peri_event *event);

  // What `emit` does, for the answer of most calls: a result of known bytes and nothing else, which
  // needs no event. NULL: `emit` is called.
  int (*reply)(struct peri_conn *conn, const peri_reply *reply);
  // The same for a call with arguments of known bytes; they are copied.
  int (*request)(struct peri_conn *conn, const peri_request *request);
  // What `begin` and `end` do, for an answer as of `reply` whose body the caller encodes:
  // reply->body and its compression are not looked at. PERI_AGAIN: nothing was written, `begin` is to
  // be called. `abort` takes it back. NULL where `reply` is.
  int (*reply_begin)(struct peri_conn *conn, const peri_reply *reply, peri_mark *mark);
  int (*reply_end)(struct peri_conn *conn, uint8_t compression, const peri_mark *mark);

  // Client: negotiates (and authenticates) a session. NULL where the protocol has none: the caller
  // then names interface and alias in each OPEN.
  int (*open_session)(struct peri_conn *conn, const peri_session_params *params,
                      peri_session_fn done, void *arg);
  // Server: the answer to handler->authenticate. NULL where there is no such step.
  void (*authenticated)(struct peri_conn *conn, uint32_t session, uint32_t request, bool passed,
                        const char *why);

  // Beats, sweeps, timeouts of the machine's own. Returns in how many ms it should be called again,
  // 0 = not before peri_conn_wake asks. It may come earlier; an idle connection is not woken.
  uint64_t (*tick)(struct peri_conn *conn, uint64_t now_ms);
  // Says goodbye so that the peer sends no new calls (offline notice, GOAWAY), within a second.
  void (*drain)(struct peri_conn *conn);
} peri_protocol;

// Adds to this process' registry (before workers start, or under the loading lock); sniffed after
// those added before. Returns 0, PERI_EALREADY_EXISTS or PERI_ELIMITED.
int peri_protocol_add(const peri_protocol *protocol);
// NULL when unknown.
const peri_protocol *peri_protocol_by_name(const char *name);
// That of a URL which begins with a protocol, NULL otherwise. Writes to `transport` where the URL leads,
// cut where it does not fit: with "tcp", or "unix" where a path follows, in the protocol's place.
const peri_protocol *peri_protocol_of_url(const char *url, char *transport, size_t size);
// The n-th in the order of sniffing, the first is that of our own peers; NULL past the end.
const peri_protocol *peri_protocol_at(size_t n);
