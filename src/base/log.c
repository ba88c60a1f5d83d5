// SPDX-License-Identifier: MIT
// Lines are formatted where they are written and put into a ring of pointers; one thread takes them
// out and writes them. `ring.lock` is held for moving pointers and counting only, never during I/O.
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log_line.h"
#include "base/mem.h"

enum {
  RING = 4096,      // lines waiting to be written
  TAGS = 256,       // tags whose rate is watched; more share no limit
  TEXT_MAX = 8192,  // bytes of one text
  // Without a line written so long, who ends does not wait for the others. In several looks, for the
  // clock may be set meanwhile.
  STUCK_LOOKS = 5,
  LOOK_MS = 100,
};

peri_log_level peri_log_threshold = PERI_LOG_INFO;

typedef struct tag_rate {
  char tag[48];
  uint64_t second;      // of the window
  uint32_t count;       // lines in it
  uint32_t suppressed;  // not written and not reported yet
} tag_rate;

static struct {
  pthread_mutex_t lock;
  pthread_cond_t filled;
  pthread_cond_t over;  // the writer has ended
  pthread_t writer;
  bool running;
  bool stopping;
  bool ended;  // the writer
  bool json;
  int fd;
  uint32_t per_tag;
  uint32_t head;   // next to write
  uint32_t count;  // lines waiting
  char *lines[RING];
  size_t lens[RING];
  tag_rate tags[TAGS];
  uint32_t owed;   // tags with suppressed lines to report
  uint32_t taken;  // lines that the writer took out
  uintptr_t turn;  // the writer's number; one that has another is over
} ring = {.lock = PTHREAD_MUTEX_INITIALIZER,
          .filled = PTHREAD_COND_INITIALIZER,
          .over = PTHREAD_COND_INITIALIZER,
          .fd = 2};

static _Atomic uint64_t dropped;
static _Atomic uint64_t suppressed;

// Who shares the terminal or pipe with us may have made it non-blocking.
static void write_all(int fd, const char *bytes, size_t len) {
  while (len != 0) {
    ssize_t n = write(fd, bytes, len);
    if (n < 0 && errno == EAGAIN) {
      (void)poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
      continue;
    } else if (n < 0 && errno == EINTR) {
      continue;
    } else if (n <= 0) {
      return;  // nowhere left to complain
    }
    bytes += n;
    len -= (size_t)n;
  }
}

// Takes `line`. Lock held.
static void push_locked(char *line, size_t len) {
  if (ring.count == RING) {
    atomic_fetch_add_explicit(&dropped, 1, memory_order_relaxed);
    free(line);
    return;
  }
  uint32_t at = (ring.head + ring.count++) % RING;
  ring.lines[at] = line;
  ring.lens[at] = len;
}

static tag_rate *rate_of(const char *tag) {
  uint32_t hash = 2166136261u;
  for (const char *c = tag; *c != '\0'; c++) {
    hash = (hash ^ (uint8_t)*c) * 16777619u;
  }
  for (uint32_t i = 0; i < 8; i++) {
    tag_rate *rate = &ring.tags[(hash + i) % TAGS];
    if (rate->tag[0] == '\0') {
      snprintf(rate->tag, sizeof rate->tag, "%s", tag);
    }
    if (strncmp(rate->tag, tag, sizeof rate->tag - 1) == 0) {
      return rate;
    }
  }
  return NULL;
}

// One line for all that were held back in a window. Lock held.
static void report_locked(tag_rate *rate) {
  char text[64];
  size_t len;
  int n = snprintf(text, sizeof text, "suppressed %u", rate->suppressed);
  rate->suppressed = 0;
  ring.owed--;
  peri_log_line line = {PERI_LOG_WARN, peri_env->walltime(), rate->tag, text, (size_t)n, NULL, 0};
  char *made = peri_log_line_new(&line, ring.json, &len);
  push_locked(made, len);
}

// True when the line may be written. Lock held.
static bool admit_locked(const char *tag, uint64_t now_ms) {
  tag_rate *rate = ring.per_tag != 0 ? rate_of(tag) : NULL;
  if (rate == NULL) {
    return true;
  }
  if (rate->second != now_ms / 1000) {
    rate->second = now_ms / 1000;
    rate->count = 0;
    if (rate->suppressed != 0) {
      report_locked(rate);
    }
  }
  if (rate->count < ring.per_tag) {
    rate->count++;
    return true;
  }
  ring.owed += rate->suppressed++ == 0;
  atomic_fetch_add_explicit(&suppressed, 1, memory_order_relaxed);
  return false;
}

static void report_all_locked(bool even_open) {
  uint64_t second = peri_env->walltime() / 1000;
  for (int i = 0; i < TAGS && ring.owed != 0; i++) {
    tag_rate *rate = &ring.tags[i];
    if (rate->suppressed != 0 && (even_open || rate->second != second)) {
      report_locked(rate);
    }
  }
}

void peri_log_fields(peri_log_level level, const char *tag, const char *text, size_t text_len,
                     const char *fields, size_t fields_len) {
  uint64_t now = peri_env->walltime();
  text_len = text_len < TEXT_MAX ? text_len : TEXT_MAX;
  fields_len = fields_len < 2 * TEXT_MAX ? fields_len : 0;  // half of them would not be JSON
  peri_log_line line = {level, now, tag, text, text_len, fields, fields_len};
  size_t len;
  pthread_mutex_lock(&ring.lock);
  bool running = ring.running;
  bool json = ring.json;
  bool admitted = !running || admit_locked(tag, now);
  pthread_mutex_unlock(&ring.lock);
  if (!admitted) {
    return;
  }
  char *made = peri_log_line_new(&line, json, &len);
  if (!running) {
    write_all(2, made, len);
    free(made);
    return;
  }
  pthread_mutex_lock(&ring.lock);
  push_locked(made, len);
  pthread_cond_signal(&ring.filled);
  pthread_mutex_unlock(&ring.lock);
}

void peri_log_write(peri_log_level level, const char *tag, const char *format, ...) {
  char text[1024];
  va_list args;
  va_start(args, format);
  int n = vsnprintf(text, sizeof text, format, args);
  va_end(args);
  size_t len = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
  peri_log_fields(level, tag, text, len, NULL, 0);
}

// Lock held.
static char *pop_locked(size_t *len) {
  char *line = ring.lines[ring.head];
  *len = ring.lens[ring.head];
  ring.head = (ring.head + 1) % RING;
  ring.count--;
  return line;
}

// Lock held on entry and return, released while writing.
static void write_waiting(uintptr_t turn) {
  while (ring.count != 0 && ring.turn == turn) {
    size_t len;
    int fd = ring.fd;
    char *line = pop_locked(&len);
    ring.taken++;
    pthread_mutex_unlock(&ring.lock);
    write_all(fd, line, len);
    free(line);
    pthread_mutex_lock(&ring.lock);
  }
}

static void wait_locked(pthread_cond_t *what, unsigned ms) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_nsec += (long)(ms % 1000) * 1000000L;
  until.tv_sec += ms / 1000 + until.tv_nsec / 1000000000L;
  until.tv_nsec %= 1000000000L;
  pthread_cond_timedwait(what, &ring.lock, &until);
}

static void *write_lines(void *arg) {
  uintptr_t turn = (uintptr_t)arg;
  pthread_mutex_lock(&ring.lock);
  while (ring.turn == turn && (!ring.stopping || ring.count != 0)) {
    write_waiting(turn);
    if (ring.stopping || ring.turn != turn) {
      continue;
    }
    if (ring.owed == 0) {
      pthread_cond_wait(&ring.filled, &ring.lock);
      continue;
    }
    // Somebody is owed a "suppressed" line: look again when the window is over.
    wait_locked(&ring.filled, 1000);
    report_all_locked(false);
  }
  if (ring.turn == turn) {
    report_all_locked(true);
    write_waiting(turn);
    ring.ended = ring.turn == turn;
    pthread_cond_signal(&ring.over);
  }
  pthread_mutex_unlock(&ring.lock);
  return NULL;
}

int peri_log_start(int fd, bool json, uint32_t per_tag) {
  pthread_mutex_lock(&ring.lock);  // the writer of before may still be there, with its last line
  peri_check(!ring.running);
  ring.fd = fd;
  ring.json = json;
  ring.per_tag = per_tag;
  ring.stopping = ring.ended = false;
  ring.running = pthread_create(&ring.writer, NULL, write_lines, (void *)ring.turn) == 0;
  int code = ring.running ? 0 : PERI_ESYSTEM;
  pthread_mutex_unlock(&ring.lock);
  return code;
}

// False when nobody reads what is written: then the writer is left alone with the line it has.
static bool join_writer(void) {
  pthread_mutex_lock(&ring.lock);
  for (int looks = 0; !ring.ended && looks < STUCK_LOOKS; looks++) {
    uint32_t taken = ring.taken;
    wait_locked(&ring.over, LOOK_MS);
    looks = taken != ring.taken ? -1 : looks;
  }
  bool ended = ring.ended;
  pthread_mutex_unlock(&ring.lock);
  if (ended) {
    pthread_join(ring.writer, NULL);
  } else {
    pthread_detach(ring.writer);
  }
  return ended;
}

void peri_log_stop(void) {
  pthread_mutex_lock(&ring.lock);
  bool running = ring.running;
  ring.running = false;
  ring.stopping = true;
  pthread_cond_signal(&ring.filled);
  pthread_mutex_unlock(&ring.lock);
  if (!running) {
    return;
  }
  bool written = join_writer();
  pthread_mutex_lock(&ring.lock);
  ring.turn++;
  while (!written && ring.count != 0) {
    size_t len;
    free(pop_locked(&len));
    atomic_fetch_add_explicit(&dropped, 1, memory_order_relaxed);
  }
  memset(ring.tags, 0, sizeof ring.tags);
  ring.owed = 0;
  pthread_mutex_unlock(&ring.lock);
}

uint64_t peri_log_dropped(void) {
  return atomic_load_explicit(&dropped, memory_order_relaxed);
}

uint64_t peri_log_suppressed(void) {
  return atomic_load_explicit(&suppressed, memory_order_relaxed);
}
