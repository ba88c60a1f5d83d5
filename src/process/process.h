// SPDX-License-Identifier: MIT
// The process: one main thread that runs no Lua, one control thread, n workers.
//
//   main      signals, supervision, the end      peri_process_run, never inside a loop
//   control   entrypoint, listeners, registries  thread 0
//   workers   connections and calls              threads 1..n
//   executors handlers that compute or block     threads n+1..m (entry/executor.h)
//
// Threads talk by letters (peri_process_post): a name and bytes, copied, which arrive as a call of
// the Lua function registered for the name in the VM they are sent to.
#pragma once
#include <pthread.h>
#include <stdatomic.h>

#include "base/err.h"
#include "entry/executor.h"
#include "lua/vm.h"
#include "process/admit.h"
#include "process/shared.h"
#include "process/watch.h"
#include "transport/listener.h"
#include "transport/loop.h"

#define PERI_WORKERS_MAX 256
#define PERI_EXECUTORS_MAX 256
#define PERI_VMS_MAX (PERI_WORKERS_MAX + PERI_EXECUTORS_MAX)
#define PERI_LISTENERS_MAX PERI_ADMIT_LISTENERS

typedef struct peri_process peri_process;
typedef struct peri_embed peri_embed;

typedef enum peri_thread_state {
  PERI_THREAD_NONE,
  PERI_THREAD_STARTING,
  PERI_THREAD_RUNNING,
  PERI_THREAD_FAILED,   // did not start; `err` says why; joined by who started it
  PERI_THREAD_CLOSING,  // takes no more letters; closes its VM
  PERI_THREAD_STOPPED,  // its VM is gone; to be joined
} peri_thread_state;

// A Lua function registered for a kind of letter.
typedef struct peri_letter_handler {
  char *name;  // owned
  int ref;
} peri_letter_handler;

// One thread with its loop and VM. Fields are its own unless said otherwise.
typedef struct peri_worker {
  int number;  // 0 = control
  peri_process *process;
  pthread_t thread;
  _Atomic int tid;    // the system's number of the thread, 0 while there is none
  _Atomic int state;  // peri_thread_state
  peri_err err;
  char *chunk;     // owned: Lua source its first fiber runs, until started
  char *argument;  // owned, of the chunk
  peri_loop loop;  // peri_loop_post from anywhere while RUNNING
  peri_vm *vm;
  peri_letter_handler *handlers;  // owned
  int handler_count;
  _Atomic uint32_t letters;  // posted, not yet started
  peri_list folders;         // watched; see folder.h
  // Hand-over of accepted sockets. `handed` is control's; the worker changes `handled` only
  // together with its VM's connection count, inside an odd `seq`.
  uint32_t handed;
  _Atomic uint32_t handled;
  _Atomic uint32_t seq;
  // Supervision. `watch` is main's.
  peri_watch watch;
  peri_message ping;
  _Atomic bool pinged;   // `ping` is on its way
  _Atomic bool shunned;  // stuck: gets no new connections
} peri_worker;

typedef struct peri_listening {
  peri_listener *listener;       // owned
  const char *const *protocols;  // owned for the life of the process, NULL = all
  bool started;
} peri_listening;

struct peri_process {
  int argc;
  char **argv;
  const char *library;    // kept, as are the next
  const char *generated;  // folder of what the build generated of it; need not exist
  peri_worker workers[PERI_VMS_MAX + 1];  // [0] = control, then workers, then executors
  _Atomic int worker_count;               // without control; written by control
  _Atomic int executor_count;             // the same
  peri_pool *pool;                        // of the executors
  peri_admission *admission;
  _Atomic uint32_t letters_max;  // waiting for one VM
  peri_shared *shared;
  peri_listening listening[PERI_LISTENERS_MAX];  // control's
  int listening_count;
  int wake_fd;            // eventfd: main looks at the atomics below
  _Atomic int exit_code;  // -1 = goes on
  _Atomic bool handles_signals;
  _Atomic uint32_t stall_ms;
  _Atomic uint32_t executor_stall_ms;
  _Atomic uint32_t drain_ms;
  // A runtime inside another program: signals and the end of the process are not ours.
  bool embedded;
  _Atomic bool stop_asked;
  peri_embed *embed;  // borrowed; NULL unless embedded
};

// Runs the process to its end on the calling (main) thread; `library` is the folder of the Lua
// library, whose perilune.cli is the program; `generated` is looked into before it. Returns the exit
// code.
int peri_process_run(int argc, char **argv, const char *library, const char *generated);

// The same inside another program, whose signals stay its own: runs `chunk` in the control VM until
// it ends or peri_process_ask_stop was called. `embed` is borrowed and hears of it (process/embed.h).
int peri_process_run_embedded(int argc, char **argv, const char *library, const char *generated,
                              const char *chunk, peri_embed *embed);
// Any thread, also from a signal handler: drain and end.
void peri_process_ask_stop(peri_process *process);

// Any thread: the process ends with `code` once its loops have stopped. The first call counts.
void peri_process_exit(peri_process *process, int code);
// Any thread: the process ends here; what was logged is written.
_Noreturn void peri_process_end_now(int code);
// Threads that run the script, numbers 1 to this.
static inline int peri_process_vms(const peri_process *process) {
  return atomic_load(&((peri_process *)(uintptr_t)process)->worker_count) +
         atomic_load(&((peri_process *)(uintptr_t)process)->executor_count);
}
static inline bool peri_worker_is_executor(const peri_worker *worker) {
  return worker->number > atomic_load(&worker->process->worker_count);
}

// Any thread: sends a letter to worker `to` (-1 = all workers, 0 = control). Copies. False when
// there is no such worker or its letter box is full.
// -1 reaches executors, too.
bool peri_process_post(peri_process *process, int to, int from, const char *name,
                       const char *payload, size_t len);
