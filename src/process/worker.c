// SPDX-License-Identifier: MIT
#include "process/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limit.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "lua/ref.h"
#include "lua/serve.h"
#include "process/core_process.h"
#include "process/count.h"
#include "process/folder.h"
#include "process/schedule.h"

enum {
  CLOSE_MS = 2000,  // for a VM to run its fibers to their end
  CLOSE_TURN_MS = 10,
};

// --- letters -----------------------------------------------------------------------------------

typedef struct letter {
  peri_message message;
  peri_task task;
  peri_worker *to;
  int from;
  size_t len;
  char *payload;  // inside `text`
  char text[];    // name, then payload
} letter;

static int push_letter(peri_task *task, lua_State *L) {
  const letter *it = peri_container(task, letter, task);
  lua_pushlstring(L, it->payload, it->len);
  lua_pushinteger(L, it->from);
  return 2;
}

static void free_letter(peri_task *task) {
  letter *it = peri_container(task, letter, task);
  atomic_fetch_sub_explicit(&it->to->letters, 1, memory_order_relaxed);
  free(it);
}

static peri_letter_handler *handler_of(peri_worker *worker, const char *name) {
  for (int i = 0; i < worker->handler_count; i++) {
    if (strcmp(worker->handlers[i].name, name) == 0) {
      return &worker->handlers[i];
    }
  }
  return NULL;
}

static void deliver(peri_message *message, peri_loop *loop) {
  (void)loop;
  letter *it = peri_container(message, letter, message);
  const peri_letter_handler *handler = handler_of(it->to, it->text);
  if (handler == NULL || it->to->vm == NULL) {
    peri_log(PERI_LOG_DEBUG, "LETTER-UNKNOWN", "worker %d has nobody for '%s'", it->to->number,
             it->text);
    free_letter(&it->task);
    return;
  }
  it->task = (peri_task){.fn = handler->ref, .push = push_letter, .free = free_letter};
  peri_vm_task(it->to->vm, &it->task);
}

static bool post_one(peri_worker *to, int from, const char *name, const char *payload, size_t len) {
  if (atomic_load(&to->state) != PERI_THREAD_RUNNING) {
    return false;
  }
  uint32_t most = atomic_load_explicit(&to->process->letters_max, memory_order_relaxed);
  if (atomic_fetch_add_explicit(&to->letters, 1, memory_order_relaxed) >= most) {
    atomic_fetch_sub_explicit(&to->letters, 1, memory_order_relaxed);
    peri_log(PERI_LOG_ERROR, "LETTER-DROPPED", "worker %d has letters = %u waiting; '%s' is lost",
             to->number, most, name);
    peri_limit_hit(PERI_LIMIT_LETTERS);
    return false;
  }
  size_t name_len = strlen(name);
  letter *it = peri_malloc(sizeof *it + name_len + 1 + len);
  *it = (letter){.message = {.run = deliver}, .to = to, .from = from, .len = len};
  memcpy(it->text, name, name_len + 1);
  it->payload = it->text + name_len + 1;
  if (len != 0) {
    memcpy(it->payload, payload, len);
  }
  peri_loop_post(&to->loop, &it->message);
  return true;
}

bool peri_process_post(peri_process *process, int to, int from, const char *name,
                       const char *payload, size_t len) {
  int count = peri_process_vms(process);
  if (to >= 0) {
    return to <= count && post_one(&process->workers[to], from, name, payload, len);
  }
  bool all = true;
  for (int i = 1; i <= count; i++) {
    all = post_one(&process->workers[i], from, name, payload, len) && all;
  }
  return all;
}

void peri_worker_on_letter(peri_worker *worker, const char *name, int ref) {
  peri_letter_handler *handler = handler_of(worker, name);
  if (handler != NULL) {
    peri_vm_unref_later(worker->vm, handler->ref);
    handler->ref = ref;
    return;
  }
  size_t count = (size_t)worker->handler_count + 1;
  worker->handlers = peri_realloc(worker->handlers, count * sizeof *worker->handlers);
  worker->handlers[count - 1] = (peri_letter_handler){peri_strdup(name), ref};
  worker->handler_count = (int)count;
}

// --- sockets -----------------------------------------------------------------------------------

typedef struct handover {
  peri_message message;
  peri_worker *to;
  const char *const *protocols;
  peri_ticket *ticket;
  int fd;
} handover;

static void receive(peri_message *message, peri_loop *loop) {
  (void)loop;
  handover *it = peri_container(message, handover, message);
  peri_worker *worker = it->to;
  atomic_fetch_add(&worker->seq, 1);
  if (worker->vm != NULL) {
    peri_vm_accept(worker->vm, it->fd, it->protocols, peri_admit_end, it->ticket);
  } else {
    close(it->fd);
    peri_admit_end(it->ticket);
  }
  atomic_fetch_add(&worker->handled, 1);
  atomic_fetch_add(&worker->seq, 1);
  free(it);
}

void peri_worker_hand(peri_worker *worker, int fd, const char *const *protocols,
                      peri_ticket *ticket) {
  handover *it = peri_malloc(sizeof *it);
  *it = (handover){.message = {.run = receive},
                   .to = worker,
                   .protocols = protocols,
                   .ticket = ticket,
                   .fd = fd};
  worker->handed++;
  peri_loop_post(&worker->loop, &it->message);
}

uint32_t peri_worker_load(peri_worker *worker) {
  for (;;) {
    uint32_t seq = atomic_load(&worker->seq);
    uint32_t handled = atomic_load(&worker->handled);
    uint32_t open = peri_vm_connections(worker->vm);
    // The odd phase is a few microseconds of C, so this never waits for a script.
    if ((seq & 1) == 0 && atomic_load(&worker->seq) == seq) {
      return worker->handed - handled + open;
    }
  }
}

// --- life --------------------------------------------------------------------------------------

static void on_ping(peri_message *message, peri_loop *loop) {
  (void)loop;
  atomic_store(&peri_container(message, peri_worker, ping)->pinged, false);
}

void peri_worker_ping(peri_worker *worker) {
  if (!atomic_exchange(&worker->pinged, true)) {
    worker->ping.run = on_ping;
    peri_loop_post(&worker->loop, &worker->ping);
  }
}

static void on_stop(peri_message *message, peri_loop *loop) {
  peri_loop_stop(loop);
  free(message);
}

void peri_worker_stop(peri_worker *worker) {
  if (atomic_load(&worker->state) == PERI_THREAD_RUNNING) {
    peri_message *message = peri_calloc(1, sizeof *message);
    message->run = on_stop;
    peri_loop_post(&worker->loop, message);
  }
}

static bool drain(peri_loop *loop, void *arg) {
  peri_worker *worker = arg;
  bool left = peri_vm_drain(loop, worker->vm);
  peri_count_vm(worker->vm);
  return left;
}

static const char *role_of(const peri_worker *worker) {
  if (worker->number == 0) {
    return "control";
  }
  return peri_worker_is_executor(worker) ? "executor" : "worker";
}

// Workers hand calls to the pool, executors take them from it.
static void join_pool(peri_worker *worker) {
  peri_server *server = &worker->vm->server;
  server->pool = worker->process->pool;
  if (peri_worker_is_executor(worker)) {
    peri_executor *executor = peri_executor_new(server->pool, server);
    executor->cancel = peri_serve_cancel_job;
    executor->cancel_arg = worker->vm;
  }
}

static int open_vm(peri_worker *worker) {
  peri_vm_options options = {.role = role_of(worker),
                             .worker = worker->number,
                             .workers = atomic_load(&worker->process->worker_count),
                             .library = worker->process->library,
                             .process = worker->process};
  worker->vm = peri_vm_new(&worker->loop, &options, &worker->err);
  if (worker->vm == NULL) {
    return worker->err.code;
  }
  worker->vm->user = worker;
  worker->loop.on_drain = drain;
  worker->loop.on_drain_arg = worker;
  if (worker->number != 0) {
    join_pool(worker);
  }
  peri_core_process_add(worker->vm, worker->process);
  return 0;
}

static void close_vm(peri_worker *worker) {
  peri_vm *vm = worker->vm;
  peri_vm_close(vm);
  peri_folder_close_all(worker);
  uint64_t end = worker->loop.now_ns + CLOSE_MS * 1000000ull;
  while (!peri_vm_idle(vm) && worker->loop.now_ns < end) {
    peri_loop_turn(&worker->loop, CLOSE_TURN_MS);
  }
  for (int i = 0; i < worker->handler_count; i++) {
    peri_unref(vm->L, worker->handlers[i].ref);
    free(worker->handlers[i].name);
  }
  free(worker->handlers);
  worker->handlers = NULL;
  worker->handler_count = 0;
}

// A VM that does not come to rest is left as it is: the process ends anyway, and freeing what its
// connections and fibers still use would turn a clean exit into a crash.
static void wind_up(peri_worker *worker) {
  close_vm(worker);
  if (!peri_vm_idle(worker->vm)) {
    peri_log(PERI_LOG_WARN, "WORKER-LEFT", "worker %d still had work when it was closed",
             worker->number);
    return;
  }
  peri_vm *vm = worker->vm;
  worker->loop.on_drain = NULL;
  worker->vm = NULL;
  peri_vm_free(vm);
}

void peri_worker_join(peri_worker *worker) {
  int state = atomic_load(&worker->state);
  // Whoever takes it away joins: control may start an executor again while main ends the process.
  if ((state == PERI_THREAD_STOPPED || state == PERI_THREAD_FAILED) &&
      atomic_compare_exchange_strong(&worker->state, &state, PERI_THREAD_NONE)) {
    pthread_join(worker->thread, NULL);
  }
}

bool peri_worker_fini(peri_worker *worker) {
  // Without its VM freed the loop is left as it is, too.
  if (worker->process == NULL || worker->vm != NULL || worker->loop.state == NULL) {
    return true;
  }
  int forgotten = peri_loop_fini(&worker->loop);
  if (forgotten > 0) {
    peri_log(PERI_LOG_DEBUG, "WORKER-HANDLES", "worker %d left %d handles open", worker->number,
             forgotten);
  }
  return forgotten >= 0;
}

static void set_state(peri_worker *worker, peri_thread_state state) {
  atomic_store(&worker->state, (int)state);
  uint64_t one = 1;
  (void)!write(worker->process->wake_fd, &one, sizeof one);
}

static void *run(void *arg) {
  peri_worker *worker = arg;
  atomic_store(&worker->tid, (int)gettid());
  if (peri_worker_is_executor(worker)) {
    peri_schedule_executor();
  }
  peri_metrics_attach();
  // The loop of one that ran before goes on: others may still have posted to it.
  peri_owner_take(&worker->loop.owner);
  if (worker->loop.state == NULL && peri_loop_init(&worker->loop) != 0) {
    peri_fail(&worker->err, PERI_ESYSTEM, "cannot make an event loop: out of descriptors?");
    set_state(worker, PERI_THREAD_FAILED);
    return NULL;
  }
  if (open_vm(worker) != 0) {
    worker->loop.on_drain = NULL;
    set_state(worker, PERI_THREAD_FAILED);
    return NULL;
  }
  char chunk_name[32];
  snprintf(chunk_name, sizeof chunk_name, "=%s", role_of(worker));
  peri_vm_run(worker->vm, worker->chunk, strlen(worker->chunk), chunk_name, worker->argument);
  set_state(worker, PERI_THREAD_RUNNING);
  peri_loop_run(&worker->loop);
  atomic_store(&worker->state, PERI_THREAD_CLOSING);
  wind_up(worker);
  peri_metrics_detach();
  atomic_store(&worker->tid, 0);
  set_state(worker, PERI_THREAD_STOPPED);
  return NULL;
}

int peri_worker_start(peri_worker *worker, peri_process *process, int number, const char *chunk,
                      size_t len, const char *argument, peri_err *err) {
  peri_worker_join(worker);
  if (atomic_load(&worker->state) != PERI_THREAD_NONE || worker->vm != NULL) {
    return peri_fail(err, PERI_EUNAVAILABLE, "thread %d has not ended yet; try again later",
                     number);
  }
  // Others look at these while it runs, and again when it does so again.
  if (worker->process == NULL) {
    worker->number = number;
    worker->process = process;
  }
  worker->chunk = peri_strndup(chunk, len);
  worker->argument = peri_strdup(argument);
  peri_list_init(&worker->folders);
  atomic_store(&worker->state, PERI_THREAD_STARTING);
  if (pthread_create(&worker->thread, NULL, run, worker) != 0) {
    atomic_store(&worker->state, PERI_THREAD_NONE);
    return peri_fail(err, PERI_ESYSTEM, "cannot start thread %d: raise the limit of tasks", number);
  }
  char name[16];
  if (number == 0) {
    snprintf(name, sizeof name, "peri-control");
  } else {
    bool executor = peri_worker_is_executor(worker);
    int first = executor ? atomic_load(&process->worker_count) : 0;
    snprintf(name, sizeof name, executor ? "peri-exec-%d" : "peri-%d", number - first);
  }
  pthread_setname_np(worker->thread, name);
  while (atomic_load(&worker->state) == PERI_THREAD_STARTING) {
    usleep(200);
  }
  free(worker->chunk);
  free(worker->argument);
  worker->chunk = worker->argument = NULL;
  if (atomic_load(&worker->state) == PERI_THREAD_FAILED) {
    peri_worker_join(worker);
    return peri_fail(err, worker->err.code, "%s", worker->err.text);
  }
  return 0;
}
