// SPDX-License-Identifier: MIT
// The main thread. It waits for signals and for the others to say something, looks after them four
// times a second, and never touches Lua, so that no script can keep the process from ending.
#include "process/process.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "process/accept.h"
#include "process/count.h"
#include "process/embed.h"
#include "process/notify.h"
#include "process/worker.h"

enum {
  TICK_MS = 250,
  DRAIN_GRACE_MS = 5000,  // beyond the drain time-out that scripts keep themselves
  EXECUTOR_QUEUE = 1024,
  STOP_MS = 5000,     // for all threads to end once the process ends
  LOG_PER_TAG = 100,  // lines a second
  LOG_MS = 1000,      // for the last lines when several threads end the process at once
};

// Without the command line nobody would end the process.
static const char program[] =
    "local ok, cli = pcall(require, 'perilune.cli')\n"
    "if ok then return cli.main(...) end\n"
    "local why = tostring(cli):match '^[^\\n]*'\n"
    "io.stderr:write('perilune: the command line does not load: ', why, '\\n')\n"
    "require('perilune.core').exit(1)";

typedef struct supervisor {
  peri_process *process;
  int signal_fd;
  bool draining;
  uint64_t kill_at_ms;  // 0 = no drain
  uint64_t watchdog_at_ms;
  uint32_t watchdog_ms;  // 0 = not asked for
} supervisor;

static uint64_t now_ms(void) {
  return peri_env->hrtime() / 1000000u;
}

void peri_process_exit(peri_process *process, int code) {
  int none = -1;
  if (atomic_compare_exchange_strong(&process->exit_code, &none, code)) {
    uint64_t one = 1;
    (void)!write(process->wake_fd, &one, sizeof one);
  }
}

void peri_process_ask_stop(peri_process *process) {
  uint64_t one = 1;
  atomic_store(&process->stop_asked, true);
  (void)!write(process->wake_fd, &one, sizeof one);
}

_Noreturn void peri_process_end_now(int code) {
  static atomic_flag ends = ATOMIC_FLAG_INIT;
  if (atomic_flag_test_and_set(&ends)) {
    (void)poll(NULL, 0, LOG_MS);  // another thread does it, unless nobody reads what it writes
  } else {
    peri_log_stop();
  }
  _exit(code);
}

// --- signals -----------------------------------------------------------------------------------

static void handled_set(sigset_t *set) {
  sigemptyset(set);
  sigaddset(set, SIGTERM);
  sigaddset(set, SIGINT);
  sigaddset(set, SIGHUP);
}

static void on_end_signal(supervisor *it, int number) {
  if (it->draining || !atomic_load(&it->process->handles_signals)) {
    peri_process_end_now(128 + number);
  }
  it->draining = true;
  uint32_t drain_ms = atomic_load(&it->process->drain_ms);
  it->kill_at_ms = now_ms() + drain_ms + DRAIN_GRACE_MS;
  peri_notify("STOPPING=1");
  peri_process_post(it->process, 0, 0, "signal", "drain", 5);
}

// The same for a runtime inside another program: nothing ends the program itself.
static void on_stop_asked(supervisor *it) {
  if (it->draining) {
    return;
  } else if (!atomic_load(&it->process->handles_signals)) {
    it->draining = true;
    peri_process_exit(it->process, 0);
  } else {
    on_end_signal(it, SIGTERM);
  }
}

static void on_signal(supervisor *it, int number) {
  if (number != SIGHUP) {
    on_end_signal(it, number);
  } else if (!atomic_load(&it->process->handles_signals)) {
    peri_process_end_now(128 + number);
  } else if (!it->draining) {
    peri_process_post(it->process, 0, 0, "signal", "reload", 6);
  }
}

static void read_signals(supervisor *it) {
  struct signalfd_siginfo info;
  while (read(it->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
    on_signal(it, (int)info.ssi_signo);
  }
}

// --- supervision -------------------------------------------------------------------------------

static void describe(const peri_worker *worker, char text[256]) {
  const peri_method *method = worker->vm != NULL ? atomic_load(&worker->vm->current) : NULL;
  if (method == NULL && worker->number == 0) {
    snprintf(text, 256, "the script's top level, a registry or a listener of events");
  } else if (method == NULL) {
    snprintf(text, 256, "no call");
  } else {
    snprintf(text, 256, "%s.%s", method->exporter->iface, method->name);
  }
}

static void on_stalled(const peri_worker *worker) {
  char running[256];
  describe(worker, running);
  peri_log(PERI_LOG_ERROR, "WORKER-STALLED",
           "worker %d has not turned for stall_timeout; it runs %s; %s", worker->number, running,
           worker->process->embedded ? "nothing is done about it" : "ending the process");
  if (!worker->process->embedded) {
    peri_process_end_now(1);
  }
}

// An executor may compute; who runs it so long is told, nothing else.
static void look_after_executor(peri_worker *worker, uint64_t now) {
  char running[256];
  peri_watch_limits limits = PERI_WATCH_LIMITS_DEFAULT;
  limits.stuck_ms = atomic_load(&worker->process->executor_stall_ms);
  limits.stall_ms = 0;
  if (limits.stuck_ms == 0) {
    return;
  }
  limits.ping_ms = limits.stuck_ms < limits.ping_ms ? limits.stuck_ms / 2 : limits.ping_ms;
  uint64_t turns = __atomic_load_n(&worker->loop.turns, __ATOMIC_RELAXED);
  switch (peri_watch_tick(&worker->watch, &limits, turns, now)) {
  case PERI_WATCH_PING: peri_worker_ping(worker); break;
  case PERI_WATCH_STUCK:
    describe(worker, running);
    peri_log(PERI_LOG_WARN, "EXECUTOR-STALL",
             "executor %d has not turned for executor_stall = %u ms; it runs %s", worker->number,
             limits.stuck_ms, running);
    break;
  case PERI_WATCH_RECOVERED:
    peri_log(PERI_LOG_WARN, "EXECUTOR-TURNS", "executor %d turns again", worker->number);
    break;
  default: break;
  }
}

static void look_after(supervisor *it, peri_worker *worker, uint64_t now) {
  char running[256];
  peri_watch_limits limits = PERI_WATCH_LIMITS_DEFAULT;
  limits.stall_ms = atomic_load(&it->process->stall_ms);
  uint64_t turns = __atomic_load_n(&worker->loop.turns, __ATOMIC_RELAXED);
  switch (peri_watch_tick(&worker->watch, &limits, turns, now)) {
  case PERI_WATCH_NOTHING: break;
  case PERI_WATCH_PING: peri_worker_ping(worker); break;
  case PERI_WATCH_STUCK:
    describe(worker, running);
    peri_log(PERI_LOG_WARN, "WORKER-STUCK",
             "worker %d has not turned for 1 s; it runs %s; it gets no new connections",
             worker->number, running);
    atomic_store(&worker->shunned, true);
    break;
  case PERI_WATCH_RECOVERED:
    peri_log(PERI_LOG_WARN, "WORKER-TURNS", "worker %d turns again", worker->number);
    atomic_store(&worker->shunned, false);
    break;
  case PERI_WATCH_STALLED: on_stalled(worker); break;
  }
}

static bool supervise(supervisor *it, uint64_t now) {
  bool all_turn = true;
  int count = peri_process_vms(it->process);
  for (int i = 0; i <= count; i++) {
    peri_worker *worker = &it->process->workers[i];
    if (atomic_load(&worker->state) != PERI_THREAD_RUNNING) {
      continue;
    } else if (peri_worker_is_executor(worker)) {
      look_after_executor(worker, now);
    } else {
      look_after(it, worker, now);
      all_turn = all_turn && !worker->watch.stuck;
    }
  }
  return all_turn;
}

static void tick(supervisor *it) {
  uint64_t now = now_ms();
  bool all_turn = supervise(it, now);
  if (it->kill_at_ms != 0 && now >= it->kill_at_ms) {
    peri_log(PERI_LOG_ERROR, "DRAIN-TIMEOUT", "the process did not drain in time; ending it");
    it->kill_at_ms = 0;
    if (!it->process->embedded) {
      peri_process_end_now(1);
    }
    peri_process_exit(it->process, 1);
  }
  if (it->watchdog_ms != 0 && all_turn && now >= it->watchdog_at_ms) {
    it->watchdog_at_ms = now + it->watchdog_ms;
    peri_notify("WATCHDOG=1");
  }
}

static void watch_over(supervisor *it) {
  struct pollfd fds[] = {{.fd = it->signal_fd, .events = POLLIN},
                         {.fd = it->process->wake_fd, .events = POLLIN}};
  uint64_t next_tick = now_ms() + TICK_MS;
  while (atomic_load(&it->process->exit_code) < 0) {
    uint64_t now = now_ms();
    (void)poll(fds, 2, now < next_tick ? (int)(next_tick - now) : 0);
    uint64_t count;
    (void)!read(it->process->wake_fd, &count, sizeof count);
    read_signals(it);
    if (atomic_load(&it->process->stop_asked)) {
      on_stop_asked(it);
    }
    if (now_ms() >= next_tick) {
      next_tick = now_ms() + TICK_MS;
      tick(it);
    }
  }
}

// --- the end -----------------------------------------------------------------------------------

static int threads_left(peri_process *process) {
  int left = 0;
  for (int i = 0; i <= PERI_VMS_MAX; i++) {
    peri_worker *worker = &process->workers[i];
    int state = atomic_load(&worker->state);
    if (state == PERI_THREAD_STOPPED) {
      peri_worker_join(worker);
    } else if (state != PERI_THREAD_NONE) {
      peri_worker_stop(worker);  // again: it may have been starting when first asked
      left++;
    }
  }
  return left;
}

// True when every thread has ended; bounded. A second signal ends the wait.
static bool stop_threads(supervisor *it) {
  struct pollfd fds[] = {{.fd = it->signal_fd, .events = POLLIN},
                         {.fd = it->process->wake_fd, .events = POLLIN}};
  uint64_t end = now_ms() + STOP_MS;
  it->draining = true;
  while (threads_left(it->process) != 0) {
    if (now_ms() >= end) {
      return false;
    }
    (void)poll(fds, 2, TICK_MS);
    uint64_t count;
    (void)!read(it->process->wake_fd, &count, sizeof count);
    read_signals(it);
  }
  return true;
}

// False when a loop does not end: then it is left, with all that it may use.
static bool free_process(peri_process *process) {
  for (int i = 0; i <= PERI_VMS_MAX; i++) {
    if (!peri_worker_fini(&process->workers[i])) {
      return false;
    }
  }
  peri_pool_free(process->pool);
  peri_admission_free(process->admission);
  peri_shared_free(process->shared);
  close(process->wake_fd);
  free(process);
  return true;
}

// --- the beginning -----------------------------------------------------------------------------

static peri_log_level level_of_environment(void) {
  static const char *const names[] = {"debug", "info", "warn", "error", "off"};
  const char *wanted = getenv("PERILUNE_LOG_LEVEL");
  for (int i = 0; wanted != NULL && i < 5; i++) {
    if (strcmp(names[i], wanted) == 0) {
      return (peri_log_level)i;
    }
  }
  return PERI_LOG_INFO;
}

static void start_log(void) {
  const char *format = getenv("PERILUNE_LOG_FORMAT");
  bool json = format != NULL ? strcmp(format, "json") == 0 : !isatty(STDERR_FILENO);
  peri_log_threshold = level_of_environment();
  peri_log_start(STDERR_FILENO, json, LOG_PER_TAG);
}

static peri_process *new_process(int argc, char **argv, const char *library,
                                 const char *generated) {
  peri_process *process = peri_calloc(1, sizeof *process);
  process->argc = argc;
  process->argv = argv;
  process->library = library;
  process->generated = generated;
  process->shared = peri_shared_new(NULL);
  process->admission = peri_admission_new();
  process->pool = peri_pool_new(EXECUTOR_QUEUE);
  process->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  atomic_init(&process->exit_code, -1);
  atomic_init(&process->letters_max, 65536);
  atomic_init(&process->stall_ms, 30000);
  atomic_init(&process->executor_stall_ms, 10000);
  atomic_init(&process->drain_ms, 30000);
  return process;
}

// Threads that are started inherit that no signal is theirs.
static int start_control(peri_process *process, const char *chunk, peri_err *err) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  int rc = peri_worker_start(&process->workers[0], process, 0, chunk, strlen(chunk), "", err);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return rc;
}

static int run(supervisor *it) {
  watch_over(it);
  int code = atomic_load(&it->process->exit_code);
  bool stopped = stop_threads(it);
  if (it->process->embedded) {
    peri_embed_ended(it->process->embed);
  }
  bool embedded = it->process->embedded;
  if (!stopped) {
    peri_log(PERI_LOG_ERROR, "STOP-TIMEOUT", "a thread did not end in time; ending the process");
    code = code != 0 ? code : 1;
  } else if (free_process(it->process)) {
    return code;
  } else if (!embedded) {
    fflush(stdout);  // as exit does, which would wait for the thread pool, too
  }
  if (!embedded) {
    peri_process_end_now(code);
  }
  return code;  // what the thread uses stays
}

int peri_process_run_embedded(int argc, char **argv, const char *library, const char *generated,
                              const char *chunk, peri_embed *embed) {
  peri_err err;
  peri_process *process = new_process(argc, argv, library, generated);
  process->embedded = true;
  process->embed = embed;
  supervisor it = {.process = process, .signal_fd = -1};
  start_log();
  peri_count_init();
  peri_embed_began(embed, process);
  int code = start_control(process, chunk, &err);
  if (code == 0) {
    code = run(&it);
  } else {
    peri_embed_failed(embed, err.text);
    peri_embed_ended(embed);
    free_process(process);
    code = 1;
  }
  peri_log_stop();
  return code;
}

int peri_process_run(int argc, char **argv, const char *library, const char *generated) {
  peri_err err;
  sigset_t set;
  handled_set(&set);
  pthread_sigmask(SIG_BLOCK, &set, NULL);  // before any thread: all inherit it
  signal(SIGPIPE, SIG_IGN);
  setvbuf(stdout, NULL, _IOLBF, 0);  // what scripts print is seen, and not lost when we end at once
  peri_process *process = new_process(argc, argv, library, generated);
  supervisor it = {.process = process,
                   .signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK),
                   .watchdog_ms = peri_notify_watchdog_ms()};
  start_log();
  peri_count_init();
  if (start_control(process, program, &err) != 0) {
    peri_log(PERI_LOG_ERROR, "START", "%s", err.text);
    peri_process_end_now(1);
  }
  int code = run(&it);
  close(it.signal_fd);
  peri_log_stop();
  return code;
}
