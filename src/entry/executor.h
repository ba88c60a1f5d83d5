// SPDX-License-Identifier: MIT
// Executors: workers without listeners that run handlers which compute or block. A call that a worker
// has admitted is handed over as a job: what it says is copied into a block of the job's own, the answer
// comes back with the job, and the worker it came to (its home) writes it. The home worker keeps the
// call, its deadline and its connection; a job whose call is over when it comes home is late.
//
//   home  --hand, send--> queue of the pool --take--> an executor runs it, one at a time --leave--> home
//                               \--withdrawn (deadline, CANCEL, peer gone)
//
// A job belongs to one thread at a time: its home, the pool (under its lock), an executor, its home.
//
// Waking a thread costs more than a brief call. So a home sends what it handed in its turn at once,
// and an executor that has more to do leaves answers for their homes without waking them, as many
// as take it about 100 us; a home that waits for answers looks for them after a millisecond, in
// case that the next handler takes long.
#pragma once
#include "entry/server.h"

// Functions of the peer that a job takes along (lua/far.h).
typedef struct peri_lent {
  // Any thread: ends it and what of it nobody took.
  void (*give_back)(struct peri_lent *lent);
  char *names;  // the call's text; owned
} peri_lent;

typedef struct peri_job {
  peri_message message;  // takes it home
  peri_list link;        // in the pool's queue; before that in server->handed, then in ->spare
  peri_list of_home;     // in server->jobs; the home's
  peri_server *server;   // of its home; the home's, NULL once that is over
  peri_loop *home;       // kept as long as the process
  peri_timer deadline;   // the home's
  peri_id call;          // of its home
  uint64_t number;       // in the pool, never given again
  struct peri_executor *runner;  // who runs it; under the pool's lock
  bool queued;                   // in the pool's queue; under the pool's lock
  bool unsent;                   // in server->handed; the home's
  _Atomic int cancelled;         // 0 or why nobody wants the answer any more; read while it runs
  // What is asked. Texts and bytes lie in `block`.
  peri_block *block;  // owned, with the job
  const void *asked;  // the home's method, as a number
  const char *iface, *alias, *peer;
  peri_bytes method;
  peri_bytes body, attachments;
  uint64_t arrived_ns, deadline_ns;
  uint32_t generation;  // of the chain that its home would have run
  uint8_t serializer, compression, attachments_ser;
  uint8_t wanted_compression;  // of the answer
  bool oneway;
  bool generic;
  bool local;     // called from within its home; otherwise by a peer
  bool is_local;  // on this host
  bool foreign;
  bool has_session;
  peri_error_value error_value;
  peri_lent *lent;       // owned; NULL without
  peri_session session;  // what the handler may ask of it; its texts lie in `block`
  // What is answered.
  int code;
  bool not_run;
  uint8_t reply_serializer, reply_compression;
  peri_buf reply;                // result or text
  peri_buf error;                // of a failed one, as `error_value` says
  peri_bytes reply_attachments;  // msgpack map, malloc'd
} peri_job;

enum {
  PERI_EXECUTOR_OWED = 8,    // homes with answers that were not told so
  PERI_EXECUTOR_KNOWN = 256  // methods of homes whose own counterpart is kept
};

typedef struct peri_known {
  const void *asked;
  peri_method *method;  // its own
} peri_known;

typedef struct peri_executor {
  struct peri_pool *pool;
  peri_server *server;  // NULL once its VM is over
  peri_loop *loop;
  peri_message wake;
  peri_list idle;       // in the pool's list of those without a job; under its lock
  bool woken;           // `wake` is on its way; under the pool's lock
  bool leaves;          // takes jobs only while there is nobody else; under the pool's lock
  peri_job *job;        // that it runs
  peri_id call;         // of its own server, for the job
  uint32_t generation;  // of its scripts: jobs of a later one wait for it to switch
  // Ends what runs; from the loop, never from the drain.
  void (*cancel)(void *arg, peri_call *call, int code);
  void *cancel_arg;
  struct peri_executor *next;
  // Answers left for their homes and not told.
  peri_loop *owed[PERI_EXECUTOR_OWED];
  uint32_t homes;      // of them
  uint32_t left;       // answers
  uint32_t left_most;  // before their homes are told
  uint64_t told_ns;    // when that was done last, or when it began to work
  peri_known known[PERI_EXECUTOR_KNOWN];
} peri_executor;

typedef struct peri_pool peri_pool;

typedef struct peri_pool_stats {
  uint32_t executors, busy, queued;
  uint64_t done;     // run to their end
  uint64_t refused;  // for want of room in the queue
  uint64_t late;     // came home to a call that was over
} peri_pool_stats;

// `most`: jobs that may wait.
peri_pool *peri_pool_new(uint32_t most);
// Any thread.
void peri_pool_limit(peri_pool *pool, uint32_t most);
void peri_pool_stats_get(peri_pool *pool, peri_pool_stats *stats);
// When every loop is over.
void peri_pool_free(peri_pool *pool);

// Makes `server` an executor's; its owner sets `cancel`. Owned by the pool; ends with the server.
peri_executor *peri_executor_new(peri_pool *pool, peri_server *server);
// The scripts of this executor are of that generation from now on.
void peri_executor_switch(peri_executor *executor, uint32_t generation);
// It is to end: others take what comes, and what waits, as long as there are any.
void peri_executor_leave(peri_executor *executor);
// For the server: its VM ends. After the last one what waits goes home unrun.
void peri_executor_close(peri_executor *executor);
// For the server: the call that it runs is released and its answer is in the job.
void peri_executor_done(peri_executor *executor);
// At the end of a drain: homes hear of the answers left for them.
void peri_executor_tell(peri_executor *executor);

// Was the call made within its process?
static inline bool peri_call_is_local(const peri_call *call) {
  return call->local || (call->hired && call->job->local);
}

// Home: hands over a call that peri_server_next gave. Takes `lent`, NULL when it has no callbacks.
void peri_job_hand(peri_server *server, peri_call *call, peri_lent *lent);
// Home: what was handed goes to the pool; what finds no room there is refused.
void peri_jobs_send(peri_server *server);
// At the end of a drain, of either side.
static inline void peri_jobs_turned(peri_server *server) {
  if (__builtin_expect(server->handed_count != 0, 0)) {
    peri_jobs_send(server);
  }
  if (__builtin_expect(server->executor != NULL, 0)) {
    peri_executor_tell(server->executor);
  }
}
// Home: nobody waits for the answer of this handed call any more. May release the call.
void peri_job_cancel(peri_server *server, peri_call *call, int code);
// Home: the server begins.
void peri_jobs_init(peri_server *server);
// Home: the server ends; its jobs come home to nobody.
void peri_jobs_forget(peri_server *server);
