// SPDX-License-Identifier: MIT
#include "process/embed.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "perilune.h"
#include "process/library.h"

static const char program[] = "require('perilune.process.embed').main()";

typedef enum embed_state { FRESH, RUNNING, READY, ENDED } embed_state;

// A call of a foreign thread; on its stack, in `calls` until it is answered or given up.
typedef struct call {
  peri_list link;
  uint64_t id;
  int code;
  bool done;
  peri_buf *result;
} call;

struct peri_embed {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  embed_state state;
  bool stop_asked;
  peri_process *process;  // while RUNNING or READY
  peri_list calls;
  uint64_t last_id;
  char *library;    // owned
  char *generated;  // owned
  char **argv;      // owned, as are its strings
  int argc;
  char message[256];
};

static _Atomic bool taken;

// ---- what the runtime tells ---------------------------------------------------------------------

static void set_state(peri_embed *embed, embed_state state) {
  embed->state = state;
  pthread_cond_broadcast(&embed->changed);
}

void peri_embed_began(peri_embed *embed, peri_process *process) {
  pthread_mutex_lock(&embed->lock);
  embed->process = process;
  set_state(embed, RUNNING);
  if (embed->stop_asked) {
    peri_process_ask_stop(process);
  }
  pthread_mutex_unlock(&embed->lock);
}

void peri_embed_ready(peri_embed *embed) {
  pthread_mutex_lock(&embed->lock);
  set_state(embed, READY);
  pthread_mutex_unlock(&embed->lock);
}

void peri_embed_failed(peri_embed *embed, const char *why) {
  pthread_mutex_lock(&embed->lock);
  snprintf(embed->message, sizeof embed->message, "%s", why);
  pthread_mutex_unlock(&embed->lock);
}

static void settle(call *it, int code, const char *text, size_t len) {
  peri_list_remove(&it->link);
  it->code = code;
  it->done = true;
  peri_buf_add(it->result, text, len);
}

void peri_embed_ended(peri_embed *embed) {
  static const char why[] = "the runtime has ended";
  pthread_mutex_lock(&embed->lock);
  embed->process = NULL;
  while (!peri_list_empty(&embed->calls)) {
    settle(peri_container(embed->calls.next, call, link), PERI_ESHUTDOWN, why, sizeof why - 1);
  }
  set_state(embed, ENDED);
  pthread_mutex_unlock(&embed->lock);
}

void peri_embed_answer(peri_embed *embed, uint64_t id, int code, const char *text, size_t len) {
  pthread_mutex_lock(&embed->lock);
  for (peri_list *at = embed->calls.next; at != &embed->calls; at = at->next) {
    call *it = peri_container(at, call, link);
    if (it->id == id) {
      settle(it, code, text, len);
      pthread_cond_broadcast(&embed->changed);
      break;
    }
  }
  pthread_mutex_unlock(&embed->lock);
}

// ---- making one ---------------------------------------------------------------------------------

static peri_runtime *refuse(peri_embed *embed, char *message, size_t size, const char *why) {
  if (message != NULL && size != 0) {
    snprintf(message, size, "%s", why);
  }
  free(embed);
  atomic_store(&taken, false);
  return NULL;
}

static size_t count_of(const char *const *list) {
  size_t count = 0;
  while (list != NULL && list[count] != NULL) {
    count++;
  }
  return count;
}

// What perilune.process.embed reads: settings, "--", script, arguments.
static void make_argv(peri_embed *embed, const peri_runtime_options *options) {
  size_t settings = count_of(options->settings), args = count_of(options->args);
  embed->argv = peri_calloc(settings + args + 4, sizeof *embed->argv);
  int n = 0;
  embed->argv[n++] = peri_strdup("perilune");
  for (size_t i = 0; i < settings; i++) {
    embed->argv[n++] = peri_strdup(options->settings[i]);
  }
  embed->argv[n++] = peri_strdup("--");
  embed->argv[n++] = peri_strdup(options->script);
  for (size_t i = 0; i < args; i++) {
    embed->argv[n++] = peri_strdup(options->args[i]);
  }
  embed->argc = n;
}

// The Lua half beside the file that this code is in; in a build folder its generated part is in `lua`.
static bool find_library(peri_embed *embed, const char *chosen) {
  Dl_info info;
  char folder[PATH_MAX], library[PATH_MAX], generated[PATH_MAX + 8];
  bool known = dladdr((const void *)(uintptr_t)&taken, &info) != 0 &&
               realpath(info.dli_fname, folder) != NULL;
  if (known) {
    *strrchr(folder, '/') = '\0';
  }
  if (chosen == NULL && (!known || !peri_library_find(folder, library))) {
    return false;
  }
  snprintf(generated, sizeof generated, "%s/lua", known ? folder : ".");
  embed->library = peri_strdup(chosen != NULL ? chosen : library);
  embed->generated = peri_strdup(generated);
  return true;
}

static void init_lock(peri_embed *embed) {
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_mutex_init(&embed->lock, NULL);
  pthread_cond_init(&embed->changed, &monotonic);
  pthread_condattr_destroy(&monotonic);
}

PERI_EXPORT peri_runtime *peri_runtime_new(const peri_runtime_options *options, char *message,
                                           size_t size) {
  bool none = false;
  if (!atomic_compare_exchange_strong(&taken, &none, true)) {
    if (message != NULL && size != 0) {
      snprintf(message, size, "a process has one runtime; free the other one first");
    }
    return NULL;
  }
  peri_embed *embed = peri_calloc(1, sizeof *embed);
  if (options->size != sizeof *options || options->script == NULL) {
    return refuse(embed, message, size, "set `size` to sizeof(peri_runtime_options), and `script`");
  }
  const char *chosen = options->library != NULL ? options->library : getenv("PERILUNE_LIBRARY");
  if (!find_library(embed, chosen)) {
    return refuse(embed, message, size,
                  "no Lua library beside libperilune; set `library` or PERILUNE_LIBRARY");
  }
  peri_list_init(&embed->calls);
  init_lock(embed);
  make_argv(embed, options);
  return embed;
}

PERI_EXPORT void peri_runtime_free(peri_runtime *runtime) {
  if (runtime == NULL) {
    return;
  }
  for (int i = 0; i < runtime->argc; i++) {
    free(runtime->argv[i]);
  }
  free(runtime->argv);
  free(runtime->library);
  free(runtime->generated);
  pthread_cond_destroy(&runtime->changed);
  pthread_mutex_destroy(&runtime->lock);
  free(runtime);
  atomic_store(&taken, false);
}

// ---- using it -----------------------------------------------------------------------------------

PERI_EXPORT int peri_runtime_run(peri_runtime *runtime) {
  return peri_process_run_embedded(runtime->argc, runtime->argv, runtime->library,
                                   runtime->generated, program, runtime);
}

PERI_EXPORT const char *peri_runtime_message(const peri_runtime *runtime) {
  return runtime->message;
}

PERI_EXPORT void peri_runtime_stop(peri_runtime *runtime) {
  pthread_mutex_lock(&runtime->lock);
  runtime->stop_asked = true;
  if (runtime->process != NULL) {
    peri_process_ask_stop(runtime->process);
  }
  pthread_mutex_unlock(&runtime->lock);
}

static struct timespec from_now(uint32_t ms) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  at.tv_sec += ms / 1000;
  at.tv_nsec += (long)(ms % 1000) * 1000000;
  if (at.tv_nsec >= 1000000000) {
    at.tv_nsec -= 1000000000;
    at.tv_sec++;
  }
  return at;
}

PERI_EXPORT int peri_runtime_wait(peri_runtime *runtime, uint32_t timeout_ms) {
  struct timespec till = from_now(timeout_ms);
  int timed_out = 0;
  pthread_mutex_lock(&runtime->lock);
  while (runtime->state < READY && timed_out != ETIMEDOUT) {
    timed_out = pthread_cond_timedwait(&runtime->changed, &runtime->lock, &till);
  }
  embed_state state = runtime->state;
  pthread_mutex_unlock(&runtime->lock);
  return state == READY ? 0 : state == ENDED ? PERI_ESHUTDOWN : PERI_ETIMEOUT;
}

// "id name\n" and the argument, to the worker that also runs perilune.main.
static bool post_call(peri_embed *embed, uint64_t id, const char *name, peri_bytes argument) {
  peri_buf letter = {0};
  char head[32];
  int len = snprintf(head, sizeof head, "%llu ", (unsigned long long)id);
  peri_buf_add(&letter, head, (size_t)len);
  peri_buf_add(&letter, name, strlen(name));
  peri_buf_add(&letter, "\n", 1);
  peri_buf_add(&letter, argument.ptr, argument.len);
  bool sent =
      peri_process_post(embed->process, 1, 0, "embed.call", (const char *)letter.data, letter.len);
  peri_buf_fini(&letter);
  return sent;
}

static int give_up(call *it, int code, const char *text) {
  settle(it, code, text, strlen(text));
  return code;
}

PERI_EXPORT int peri_runtime_call(peri_runtime *runtime, const char *name, peri_bytes argument,
                                  uint32_t timeout_ms, peri_buf *result) {
  struct timespec till = from_now(timeout_ms);
  call it = {.result = result};
  pthread_mutex_lock(&runtime->lock);
  it.id = ++runtime->last_id;
  peri_list_push(&runtime->calls, &it.link);
  if (runtime->state != READY || !post_call(runtime, it.id, name, argument)) {
    give_up(&it, PERI_EUNAVAILABLE, "the runtime does not run, or is too busy");
  }
  int timed_out = 0;
  while (!it.done && timed_out != ETIMEDOUT) {
    timed_out = pthread_cond_timedwait(&runtime->changed, &runtime->lock, &till);
  }
  if (!it.done) {
    give_up(&it, PERI_ETIMEOUT, "no answer in time");
  }
  pthread_mutex_unlock(&runtime->lock);
  return it.code;
}
