// SPDX-License-Identifier: MIT
// The provider side of one worker, without Lua: requests from connections become calls in a queue,
// admitted before anything of them is decoded; each call is answered exactly once or counted as
// dropped because its peer is gone.
//
//   QUEUED --run--> RUNNING --reply--> (slot released)
//      |  \-----> HANDED to an executor (entry/executor.h) --its answer, or its deadline--^
//      \--refused: expired, too old, draining, over a limit--/
#pragma once
#include "base/slots.h"
#include "entry/exporter.h"
#include "protocol/conn.h"

#define PERI_CALL_SMALL 36

typedef struct peri_call {
  peri_id id;
  peri_list link;  // in conn->calls or conn->calls_by_stream while the peer is there
  union {
    peri_list queue;          // in server->queue while QUEUED
    peri_list fibers;         // of the Lua adapter while RUNNING: fibers that work for this call
    struct peri_job *handed;  // while HANDED: who runs it brings this back
  };
  peri_conn *conn;        // NULL once the peer is gone
  peri_session *session;  // NULL without
  peri_method *method;
  peri_block
      *block;  // keeps body and attachments; its own once `parked`, NULL when they are in small
  peri_bytes body;
  union {
    uint64_t stream;
    struct peri_job *job;  // of a `hired` one: where it comes from and its answer goes
  };
  uint64_t arrived_ns;
  uint64_t deadline_ns;  // 0 = none
  // From here to `small` a new call is all zero, as most of it stays.
  peri_bytes attachments;
  peri_bytes reply_attachments;  // msgpack map, malloc'd, owned
  // The event's text, owned, and behind its NUL the method that a caller of a function names (""
  // where it names none); NULL = none.
  char *callback;
  uint32_t pinned;  // bytes of body and attachments, counted in server->pinned
  uint8_t serializer, compression, attachments_ser;
  uint8_t state;
  bool oneway;
  bool local;    // made in this worker: `conn` is NULL, `stream` the id of the future that waits
  bool hired;    // run by this executor for another worker: `conn` is NULL
  bool adopted;  // the owner took over the callbacks among the arguments; else they are released
  bool foreign;  // for another service than its session: who authenticated that counts for nothing
  bool parked;
  bool generic;                    // PERI_EV_GENERIC
  uint8_t small[PERI_CALL_SMALL];  // body and attachments of a parked call when they fit
} peri_call;

enum { PERI_CALL_QUEUED = 1, PERI_CALL_RUNNING, PERI_CALL_HANDED };

typedef struct peri_server_limits {
  uint32_t calls;           // in flight in this worker, default 1 000 000
  uint32_t calls_per_conn;  // default 65 536
  // A call that waited longer is refused; default 20, 0 = never. While the queue was empty within
  // the last `burst_ms` (default 100) it may wait that long: a pause of the machine is no overload.
  uint32_t queue_ms;
  uint32_t burst_ms;
  uint64_t pinned;      // bytes of arguments of calls in flight, default 256 MiB
  uint32_t timeout_ms;  // of a call that brings none, default 5 000
} peri_server_limits;

typedef struct peri_server {
  peri_slots calls;
  peri_list queue;
  peri_exporters exporters;
  peri_loop *loop;                 // borrowed
  peri_futures *futures;           // borrowed; of those who make local calls
  peri_buf scratch;                // the result of a local call while it is written
  struct peri_pool *pool;          // borrowed; NULL where no call is handed over
  struct peri_executor *executor;  // of the pool when this is one; else NULL
  peri_list jobs;                  // handed over and not home yet
  peri_list handed;                // those of them that the pool does not have yet
  peri_list spare;                 // jobs to be used again
  peri_timer look;                 // for answers that were left here without a word
  uint32_t look_ms;
  uint32_t handed_count, spare_count;
  peri_server_limits limits;
  uint64_t empty_ns;                   // when the queue was last seen empty
  uint64_t pinned;                     // bytes of arguments that calls in flight hold
  bool starved;                        // set by the owner: memory is short, new calls are refused
  bool draining;                       // new calls are refused, except of peers that react late
  bool leaving;                        // of those too
  uint64_t arrived, answered, failed;  // counters of this worker
  uint64_t refused_memory;
  uint64_t refused_age, refused_limit, refused_draining, expired, dropped;
} peri_server;

void peri_server_init(peri_server *server, peri_loop *loop);
// No call may be left.
void peri_server_fini(peri_server *server);

// From the connection's handler: OPEN. Resolves, admits and queues, or answers with an error.
void peri_server_open(peri_server *server, peri_conn *conn, const peri_event *event);
// The same for an OPEN that is nothing but its call.
void peri_server_request(peri_server *server, peri_conn *conn, const peri_request *request);
// The same for a callback: a call that the server of a connection of ours makes. `method` is not looked
// up; who drains still takes it, for it belongs to a call of our own.
void peri_server_open_callback(peri_server *server, peri_conn *conn, const peri_event *event,
                               peri_method *method);
// The same for a call made in this worker, without connection: event->stream is the id of the future that
// gets the answer (0 when the event is one-way); body and attachments are kept by event->block. Returns 0
// and the call's id, or PERI_E* with a text: nothing was run.
int peri_server_open_local(peri_server *server, peri_method *method, const peri_event *event,
                           peri_id *id, peri_err *err);
// The same for a job that this executor took; its session, texts and bytes stay the job's. NULL, and the
// job says why, when it cannot be run here.
peri_call *peri_server_open_job(peri_server *server, struct peri_job *job);
// The next call that is still worth running, now RUNNING, or NULL. Refuses the others on the way.
peri_call *peri_server_next(peri_server *server);
// This worker did something else on purpose for so long: what is in the queue did not wait.
void peri_server_forgive(peri_server *server, uint64_t ns);
static inline bool peri_server_waiting(const peri_server *server) {
  return !peri_list_empty(&server->queue);
}
static inline peri_call *peri_server_call(const peri_server *server, peri_id id) {
  return (peri_call *)peri_slots_get(&server->calls, id);
}
// Moves a small body out of the read buffer when the handler first waits, so that a waiting call
// does not pin it. Idempotent.
void peri_call_park(peri_call *call);

// The body or the attachments of a call were replaced: counts them anew.
void peri_call_pin(peri_server *server, peri_call *call);

// The ways a running call ends; each releases it, all pointers to it are over. `not_run` tells the
// peer that it may try elsewhere.
void peri_call_fail(peri_server *server, peri_call *call, int code, peri_bytes message,
                    bool not_run);
// What the peer of this call can be told of an error besides code and message.
typedef enum peri_error_value {
  PERI_ERROR_BARE,
  PERI_ERROR_EXCEPTION,  // an exception, in the call's serialization
  PERI_ERROR_DETAILS     // any value, in MessagePack, at most PERI_DETAILS_MAX bytes
} peri_error_value;
peri_error_value peri_call_error_value(const peri_call *call);
// peri_call_fail with such a value, or none.
void peri_call_throw(peri_server *server, peri_call *call, int code, peri_bytes message,
                     bool not_run, peri_bytes value);
void peri_call_reply_null(peri_server *server, peri_call *call);
// The body of `from` (usually the same call), as it came.
void peri_call_reply_body(peri_server *server, peri_call *call, const peri_call *from);
// In two steps around an encoder: begin gives the buffer to append to (NULL: nobody wants the
// answer; call `end` all the same), end sends, undo takes it back so that peri_call_fail can follow.
peri_buf *peri_call_reply_begin(peri_server *server, peri_call *call,
                                const peri_serializer *serializer, peri_mark *mark);
void peri_call_reply_end(peri_server *server, peri_call *call, const peri_mark *mark);
void peri_call_reply_undo(peri_server *server, peri_call *call, const peri_mark *mark);

// A handed call: its answer is in the job that came home.
void peri_call_reply_job(peri_server *server, peri_call *call, struct peri_job *job);

// For queue.c and job.c: ends a call without an answer.
void peri_call_release(peri_server *server, peri_call *call);

// The peer of these calls is gone: they lose their connection. `gone` is called for each that runs, here
// or in an executor; it may release the call.
void peri_server_forget(peri_server *server, peri_conn *conn,
                        void (*gone)(void *arg, peri_call *call), void *arg);
// Sets `used` of the sessions that its calls belong to.
void peri_server_mark_sessions(peri_conn *conn);
// The call of that stream, queued or running, or NULL.
peri_call *peri_server_find(peri_conn *conn, uint64_t stream);
