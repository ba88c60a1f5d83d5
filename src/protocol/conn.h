// SPDX-License-Identifier: MIT
// A connection: a channel, the protocol machine that speaks on it, its sessions, and the calls that
// are open on it in either direction. It belongs to one loop. The memory ends after the handler's
// `closed` returns.
#pragma once
#include "future/future.h"
#include "protocol/compression.h"
#include "protocol/protocol.h"
#include "protocol/serializer.h"
#include "transport/channel.h"

typedef struct peri_conn peri_conn;

// What both ends agreed on for one (interface, alias). Owned by the connection. A session that ends
// while calls from the peer are open (conn->calls_open) stays in memory until the owner says that none of
// them is its (handler->mark_sessions), so that event->session of an accepted call is good until the call
// is answered.
typedef struct peri_session {
  uint32_t id;  // on the wire; 0 = the connection's nameless one
  bool native;  // both are Perilune: clear head, private ids, CANCEL
  bool authenticated;
  bool evicted;           // over; found by nobody, kept while calls of it may be open
  bool used;              // when last marked: a call of it is open
  uint32_t timeout_ms;    // server: evicted when not beaten for this long
  uint64_t last_beat_ms;  // server: last beat received; client: last beat sent
  char *iface;            // owned text
  char *alias;            // owned text
  uint32_t iface_len, alias_len;
  const peri_serializer *serializer;    // chosen
  const peri_compression *compression;  // chosen, NULL = none
  uint64_t remote_start_ms;             // peer's start, wall clock, 0 = unknown
  char *identity;                       // owned text, of who authenticated; NULL = nobody
  peri_buf attributes;                  // the peer's, a msgpack map
  void *user;                           // of the handler: the exporter or refer it belongs to
  uint32_t user_generation;
  peri_list link;
} peri_session;

// Upward calls. They come from inside `feed`, so they only queue; none may close over the event's
// bytes without a reference on event->block.
typedef struct peri_conn_handler {
  // OPEN, DATA, HALF_CLOSE, TRAILERS, CANCEL, WINDOW, GOAWAY. REPLY goes to the future that
  // peri_conn_expect registered, and arrives here only when its stream is open (streaming).
  void (*event)(void *arg, peri_conn *conn, const peri_event *event);
  // Server: an OPEN that is nothing but its call, for the service of its session. May be NULL: it comes
  // as an event, too.
  void (*request)(void *arg, peri_conn *conn, const peri_request *request);
  // Server: a session was negotiated; may set session->user. May be NULL.
  void (*session)(void *arg, peri_conn *conn, peri_session *session);
  // Server: since when the service of the session runs, as a peer that is not ours is to be told,
  // ms of the wall clock. May be NULL: peri_started_ms().
  uint64_t (*started)(void *arg, const peri_session *session);
  // Sets `used` of the sessions that open calls belong to. May be NULL: any of them may.
  void (*mark_sessions)(void *arg, peri_conn *conn);
  // A session ended before its connection did. May be NULL.
  void (*session_ended)(void *arg, peri_conn *conn, peri_session *session);
  // Server: the peer authenticates for `session`. Return PERI_AGAIN and answer later through
  // conn->protocol->authenticated(conn, session->id, request, ...), or 0 (passed), or PERI_E*.
  // `attributes` is a msgpack map, borrowed. NULL = everybody passes.
  int (*authenticate)(void *arg, peri_conn *conn, peri_session *session, uint32_t request,
                      peri_bytes type, peri_bytes attributes);
  // Client: the peer will take no new calls (offline notice, GOAWAY).
  void (*drained)(void *arg, peri_conn *conn);
  // Exactly once, last. Futures registered with peri_conn_expect are completed before.
  void (*closed)(void *arg, peri_conn *conn, int code);
  // Output fell below half of the channel's high water after having been above it. May be NULL.
  void (*writable)(void *arg, peri_conn *conn);
} peri_conn_handler;

typedef struct peri_conn_limits {
  uint32_t frame;           // bytes, default 8 MiB
  uint32_t head;            // bytes of a clear head, default 65 535
  uint32_t sessions;        // per connection, default 1 024
  uint32_t first_byte_ms;   // accepted connections: until the protocol is known, default 10 000
  uint32_t silent;          // of the process: that may say nothing for longer where a protocol of
                            // the listener has silent_ms, default 4 096
  uint32_t negotiate_ms;    // until the first session or call after that, default 10 000
  uint32_t frame_ms;        // from a frame's first byte to its last, default 30 000, 0 = no limit
  uint32_t idle_ms;         // without any inbound byte, default 0 = never (heartbeats tell)
  uint32_t beat_ms;         // heartbeat interval of a client, default 10 000
  uint32_t beat_misses;     // close after this many unanswered, default 3
  peri_value_limits value;  // of decoded heads and attachments
  peri_channel_limits channel;
} peri_conn_limits;

extern const peri_conn_limits peri_conn_limits_default;

struct peri_conn {
  peri_channel *channel;             // borrowed; NULL once closed
  const peri_protocol *protocol;     // NULL while the adapter still sniffs
  const peri_conn_handler *handler;  // kept
  void *arg;                         // of handler
  const peri_conn_limits *limits;    // kept
  union {
    void *state;                 // protocol->state_size bytes, owned
    const char *const *allowed;  // while the adapter sniffs: names of the protocols, kept
  };
  bool server;
  bool native;    // the peer said perilune=1
  bool draining;  // we said goodbye; new OPENs are refused by the owner
  bool drained;   // the peer said goodbye
  bool closing;   // peri_conn_close was called or feed failed
  bool settled;   // a session or a call has been seen
  bool heard;     // accepted connections: a byte came
  bool silent;    // counted among limits->silent
  uint8_t beats_missed;
  uint32_t next_session;  // client: last session id given
  uint32_t next_stream;   // last stream id given, 1..INT32_MAX
  uint32_t session_count;
  uint64_t served_up_to;         // GOAWAY: streams above it were not run; UINT64_MAX = no GOAWAY
  uint64_t part_since_ms;        // since when a frame lacks its rest, 0 = none does
  uint64_t settle_by_ms;         // accepted connections: close when not settled by then
  uint64_t beat_at_ms;           // client: last heartbeat sent
  peri_list sessions;            // last used first
  peri_list calls;               // the owner's open calls from the peer
  peri_list *calls_by_stream;    // of the owner: these lists instead, NULL while calls will do
  uint32_t calls_open;           // their number, kept by the owner
  struct peri_pending *pending;  // stream -> future of calls to the peer, NULL while none
  peri_timer timer;              // ticks, sniffing and negotiation time-outs
  uint64_t frames_in, frames_out;
  void *user;  // of the owner
};

// Server side: takes a fresh channel, sniffs its protocol among the registered ones allowed by
// `protocols` (NULL-terminated names, NULL = all; kept), within first_byte_ms (or longer, see
// limits->silent) and match_max bytes, and hands over. Returns borrowed until `closed`; the channel
// is started by this call.
peri_conn *peri_conn_accept(peri_channel *channel, const char *const *protocols,
                            const peri_conn_handler *handler, void *arg,
                            const peri_conn_limits *limits);
// Client side: speaks `protocol` on a connected channel from the first byte on.
peri_conn *peri_conn_start(peri_channel *channel, const peri_protocol *protocol,
                           const peri_conn_handler *handler, void *arg,
                           const peri_conn_limits *limits);

// Registers `future` (same loop) as waiting for the REPLY to a new stream and returns that stream's
// id. The future completes with the reply's code and body; with PERI_ECLOSED when the connection
// ends (flag PERI_FUTURE_NOT_RUN only where that is certain).
uint64_t peri_conn_expect(peri_conn *conn, peri_future *future);
// The same for a stream: its REPLY, DATA, TRAILERS, WINDOW and CANCEL go to handler->event until
// peri_conn_forget. A stream that ends (REPLY, TRAILERS, CANCEL) is still to be forgotten.
uint64_t peri_conn_open_stream(peri_conn *conn);
// A stream id for a message that no future waits for (one-way calls, the machine's own requests).
uint64_t peri_conn_next_stream(peri_conn *conn);
// Forgets the registration; a reply that still comes is counted as late. With `tell` the peer is
// sent CANCEL where the protocol can.
void peri_conn_forget(peri_conn *conn, uint64_t stream, bool tell);
uint32_t peri_conn_expecting(const peri_conn *conn);

// Callbacks. A request names the functions among its arguments in event->callback, in place of which
// null stands: "17:2" is callback 17 for argument 2, "17:2,18:3" two of them; JoyRPC's "17" names no
// argument. The text is at most PERI_CALLBACK_TEXT_MAX bytes. A call of one has its number alone.
// With PERI_CALLBACK_BY_TYPE the consumer's numbers have 31 bits and one function keeps its number
// as long as the connection has it. The names that a provider gets are its protocol's: any text
// without ':' and ','.
#define PERI_CALLBACK_TEXT_MAX 1024u
// The method by which a server says that it needs the callbacks named in event->callback no more.
#define PERI_CALLBACK_RELEASE "$release"
// Server: says so, to peers that know it. `callbacks` as in the request or a number.
void peri_conn_release_callbacks(peri_conn *conn, peri_bytes callbacks);

static inline peri_buf *peri_conn_out(peri_conn *conn) {
  return peri_channel_out(conn->channel);
}
// Announces the end to the peer (protocol->drain), refuses nothing by itself.
void peri_conn_drain(peri_conn *conn);
// Idempotent; `closed` follows.
void peri_conn_close(peri_conn *conn, int code);
// Writes what is queued, then closes.
void peri_conn_finish(peri_conn *conn);
// NULL when unknown or evicted.
peri_session *peri_conn_session(peri_conn *conn, uint32_t id);

// --- for protocol machines -------------------------------------------------------------------
// Makes sure that protocol->tick is called within about `delay_ms`.
void peri_conn_wake(peri_conn *conn, uint64_t delay_ms);
uint64_t peri_conn_now_ms(const peri_conn *conn);
// Heartbeats of a client: any byte that comes after one counts as its answer.
typedef void (*peri_beat_fn)(peri_conn *conn);
// From protocol->init. Does nothing for a server.
void peri_conn_beat_begin(peri_conn *conn);
// From protocol->tick of a client: sends one when it is due and returns ms until the next, 0 =
// none. After limits->beat_misses without answer the connection is closed, with `tag` (static) as
// its reason.
uint64_t peri_conn_beat(peri_conn *conn, uint64_t now_ms, const char *tag, peri_beat_fn send);
// Reports an event; completes futures for REPLY.
void peri_conn_event(peri_conn *conn, const peri_event *event);
// The event that a short REPLY stands for.
peri_event peri_reply_event(const peri_reply *reply);
// The same as peri_conn_event for a REPLY that is nothing but its result.
void peri_conn_result(peri_conn *conn, const peri_reply *reply);
// The same for an OPEN.
static inline void peri_conn_opened(peri_conn *conn, const peri_event *event) {
  conn->settled = true;
  conn->handler->event(conn->arg, conn, event);
}
// The event that a short OPEN stands for.
peri_event peri_request_event(const peri_request *request);
// The same as peri_conn_opened for an OPEN that is nothing but its call.
static inline void peri_conn_requested(peri_conn *conn, const peri_request *request) {
  if (conn->handler->request == NULL) {
    peri_event event = peri_request_event(request);
    peri_conn_opened(conn, &event);
    return;
  }
  conn->settled = true;
  conn->handler->request(conn->arg, conn, request);
}
// Adds a session; NULL when limits->sessions is reached. A session of the same id is ended first.
peri_session *peri_conn_session_new(peri_conn *conn, uint32_t id, peri_bytes iface,
                                    peri_bytes alias);
void peri_conn_session_free(peri_conn *conn, peri_session *session);
// Before freeing again those that were kept for calls: looks which are still used.
void peri_conn_sessions_mark(peri_conn *conn);
// Tells the owner that the peer takes no new calls; `last` as in PERI_EV_GOAWAY, UINT64_MAX = all that
// were sent are still served. Idempotent.
void peri_conn_peer_drains(peri_conn *conn, uint64_t last);
// Counts and logs (rate-limited by tag) what is wrong with the peer, returns `code` for `feed`.
int peri_conn_complain(peri_conn *conn, int code, const char *tag, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
