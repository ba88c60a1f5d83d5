// SPDX-License-Identifier: MIT
#include "process/accept.h"

#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "process/worker.h"
#include "transport/inherit.h"

// Listeners keep their place, which tickets of their connections name.
static int free_place(const peri_process *process) {
  int i = 0;
  while (i < process->listening_count && process->listening[i].listener != NULL) {
    i++;
  }
  return i;
}

// One that begins with a protocol means its transport: `protocols` says what is spoken there.
static peri_listener *open_listener(const char *url, peri_err *err) {
  const peri_listen_options options = {.backlog = 1024, .unix_mode = 0600};
  char transport[512];
  const peri_protocol *protocol = peri_protocol_of_url(url, transport, sizeof transport);
  return peri_listener_open(protocol != NULL ? transport : url, &options, err);
}

const char *peri_accept_listen(peri_process *process, const char *url, const char *const *protocols,
                               peri_err *err) {
  int at = free_place(process);
  if (at == PERI_LISTENERS_MAX) {
    peri_fail(err, PERI_ECONFIG, "cannot listen on %s: at most %d addresses per process", url,
              PERI_LISTENERS_MAX);
    return NULL;
  }
  peri_listener *listener = open_listener(url, err);
  if (listener == NULL) {
    return NULL;
  }
  process->listening[at] = (peri_listening){.listener = listener, .protocols = protocols};
  if (at == process->listening_count) {
    process->listening_count++;
  }
  return peri_listener_url(listener);
}

// Stuck workers are passed over as long as there is another one. A process without workers
// (`perilune test`) serves from its control VM.
static peri_worker *least_loaded(peri_process *process) {
  peri_worker *best = NULL;
  uint32_t best_load = 0;
  bool best_shunned = false;
  int count = atomic_load(&process->worker_count);
  for (int i = count != 0 ? 1 : 0; i <= count; i++) {
    peri_worker *worker = &process->workers[i];
    if (atomic_load(&worker->state) != PERI_THREAD_RUNNING) {
      continue;
    }
    bool shunned = atomic_load(&worker->shunned);
    uint32_t load = peri_worker_load(worker);
    if (best == NULL || (best_shunned && !shunned) ||
        (best_shunned == shunned && load < best_load)) {
      best = worker;
      best_load = load;
      best_shunned = shunned;
    }
  }
  return best;
}

static void on_accepted(void *arg, peri_listener *listener, int fd) {
  peri_process *process = arg;
  peri_worker *worker = least_loaded(process);
  if (worker == NULL) {
    peri_log(PERI_LOG_WARN, "ACCEPT-NOBODY", "no worker to serve a connection on %s",
             peri_listener_url(listener));
    close(fd);
    return;
  }
  int i = 0;
  while (i < process->listening_count - 1 && process->listening[i].listener != listener) {
    i++;
  }
  peri_ticket *ticket = peri_admit(process->admission, fd, i, peri_listener_url(listener));
  if (ticket == NULL) {
    close(fd);
    return;
  }
  peri_worker_hand(worker, fd, process->listening[i].protocols, ticket);
}

int peri_accept_start(peri_process *process, peri_err *err) {
  for (int i = 0; i < process->listening_count; i++) {
    peri_listening *it = &process->listening[i];
    if (it->started || it->listener == NULL) {
      continue;
    }
    int code = peri_listener_start(it->listener, &process->workers[0].loop, on_accepted, process);
    if (code != 0) {
      return peri_fail(err, code, "cannot accept on %s: %s", peri_listener_url(it->listener),
                       peri_code_text(code));
    }
    it->started = true;
  }
  peri_inherit_warn();
  return 0;
}

static void stop_one(peri_listening *it) {
  if (it->listener != NULL) {
    peri_listener_stop(it->listener);
    peri_listener_close(it->listener);
    *it = (peri_listening){0};
  }
}

bool peri_accept_end(peri_process *process, const char *url) {
  for (int i = 0; i < process->listening_count; i++) {
    peri_listening *it = &process->listening[i];
    if (it->listener != NULL && strcmp(peri_listener_url(it->listener), url) == 0) {
      stop_one(it);
      return true;
    }
  }
  return false;
}

void peri_accept_stop(peri_process *process) {
  for (int i = 0; i < process->listening_count; i++) {
    stop_one(&process->listening[i]);
  }
  process->listening_count = 0;
}

size_t peri_accept_urls(const peri_process *process, const char *urls[PERI_LISTENERS_MAX]) {
  size_t count = 0;
  for (int i = 0; i < process->listening_count; i++) {
    if (process->listening[i].listener != NULL) {
      urls[count++] = peri_listener_url(process->listening[i].listener);
    }
  }
  return count;
}
