// SPDX-License-Identifier: MIT
#include "base/metrics.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

enum { TEXT_MAX = 512, VALUE_MAX = 64, LABELS_MAX = 8 };

typedef _Atomic int64_t cell;

typedef struct metric {
  char *text;       // owned, never freed: readers on other threads hold it without a lock
  size_t name_len;  // of the part before the labels
  peri_metric_kind kind;
} metric;

// `metrics` only grows; a reader takes `count` (acquire) and may then read that many rows.
static metric metrics[PERI_METRIC_MAX];
static _Atomic uint32_t count = 1;  // row 0 swallows
static cell *_Atomic slots[PERI_METRIC_THREADS];
static bool slot_taken[PERI_METRIC_THREADS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local cell *own;
static _Thread_local uint32_t own_index;

static cell *shared_slot(void) {
  cell *slot = atomic_load_explicit(&slots[0], memory_order_acquire);
  if (slot == NULL) {
    pthread_mutex_lock(&lock);
    slot = atomic_load_explicit(&slots[0], memory_order_relaxed);
    if (slot == NULL) {
      slot = peri_calloc(PERI_METRIC_MAX, sizeof *slot);
      atomic_store_explicit(&slots[0], slot, memory_order_release);
    }
    pthread_mutex_unlock(&lock);
  }
  return slot;
}

// Rows with the given text, and how many label sets the name has.
static peri_metric find(const char *text, size_t name_len, uint32_t *label_sets) {
  uint32_t rows = atomic_load_explicit(&count, memory_order_relaxed);
  *label_sets = 0;
  for (uint32_t i = 1; i < rows; i++) {
    if (strcmp(metrics[i].text, text) == 0) {
      return i;
    }
    if (metrics[i].name_len == name_len && strncmp(metrics[i].text, text, name_len) == 0 &&
        metrics[i].text[name_len] == '{') {
      (*label_sets)++;
    }
  }
  return 0;
}

static peri_metric add_row(const char *text, size_t name_len, peri_metric_kind kind) {
  uint32_t row = atomic_load_explicit(&count, memory_order_relaxed);
  if (row == PERI_METRIC_MAX) {
    return 0;
  }
  metrics[row] = (metric){peri_strdup(text), name_len, kind};
  atomic_store_explicit(&count, row + 1, memory_order_release);
  return row;
}

static size_t add_value(char *text, size_t at, const char *value) {
  for (size_t i = 0; value[i] != '\0' && i < VALUE_MAX && at + 8 < TEXT_MAX; i++) {
    unsigned char c = (unsigned char)value[i];
    if (c == '"' || c == '\\') {
      text[at++] = '\\';
    }
    text[at++] = c < 0x20 || c == 0x7f ? '?' : (char)c;
  }
  return at;
}

// Writes `name{key="value",...}`; with `other` each value is that word.
static void write_text(char text[TEXT_MAX], const char *name, const peri_metric_label *labels,
                       size_t label_count, bool other) {
  size_t at = (size_t)snprintf(text, TEXT_MAX / 4, "%s", name);
  at = at < TEXT_MAX / 4 ? at : TEXT_MAX / 4 - 1;
  for (size_t i = 0; i < label_count && i < LABELS_MAX && at + 64 < TEXT_MAX; i++) {
    at += (size_t)snprintf(text + at, 40, "%c%.32s=\"", i == 0 ? '{' : ',', labels[i].key);
    at = add_value(text, at, other ? "other" : labels[i].value);
    text[at++] = '"';
  }
  if (label_count != 0) {
    text[at++] = '}';
  }
  text[at] = '\0';
}

peri_metric peri_metric_get_labelled(const char *name, peri_metric_kind kind,
                                     const peri_metric_label *labels, size_t label_count) {
  char text[TEXT_MAX];
  uint32_t label_sets;
  write_text(text, name, labels, label_count, false);
  size_t name_len = strcspn(text, "{");
  pthread_mutex_lock(&lock);
  peri_metric row = find(text, name_len, &label_sets);
  if (row == 0 && label_count != 0 && label_sets >= PERI_METRIC_LABEL_SETS) {
    write_text(text, name, labels, label_count, true);
    row = find(text, name_len, &label_sets);
  }
  if (row == 0) {
    row = add_row(text, name_len, kind);
  }
  pthread_mutex_unlock(&lock);
  return row;
}

peri_metric peri_metric_get(const char *name, peri_metric_kind kind) {
  return peri_metric_get_labelled(name, kind, NULL, 0);
}

void peri_metrics_attach(void) {
  if (own != NULL) {
    return;
  }
  pthread_mutex_lock(&lock);
  for (uint32_t i = 1; i < PERI_METRIC_THREADS; i++) {
    if (!slot_taken[i]) {
      slot_taken[i] = true;
      cell *slot = atomic_load_explicit(&slots[i], memory_order_relaxed);
      if (slot == NULL) {
        slot = peri_calloc(PERI_METRIC_MAX, sizeof *slot);
        atomic_store_explicit(&slots[i], slot, memory_order_release);
      }
      own = slot;
      own_index = i;
      break;
    }
  }
  pthread_mutex_unlock(&lock);
}

void peri_metrics_detach(void) {
  if (own == NULL) {
    return;
  }
  uint32_t rows = atomic_load_explicit(&count, memory_order_acquire);
  cell *shared = shared_slot();
  for (uint32_t i = 1; i < rows; i++) {
    // The next thread that gets this slot may set its counters to what it has counted itself.
    if (metrics[i].kind == PERI_METRIC_COUNTER) {
      int64_t counted = atomic_load_explicit(&own[i], memory_order_relaxed);
      atomic_fetch_add_explicit(&shared[i], counted, memory_order_relaxed);
    }
    atomic_store_explicit(&own[i], 0, memory_order_relaxed);
  }
  pthread_mutex_lock(&lock);
  slot_taken[own_index] = false;
  pthread_mutex_unlock(&lock);
  own = NULL;
}

void peri_metric_add(peri_metric id, int64_t by) {
  if (id == 0) {
    return;
  }
  if (own == NULL) {
    atomic_fetch_add_explicit(&shared_slot()[id], by, memory_order_relaxed);
    return;
  }
  // Only this thread writes the cell, so a plain read-modify-write loses nothing.
  int64_t now = atomic_load_explicit(&own[id], memory_order_relaxed);
  atomic_store_explicit(&own[id], now + by, memory_order_relaxed);
}

void peri_metric_set(peri_metric id, int64_t value) {
  if (id != 0) {
    atomic_store_explicit(own != NULL ? &own[id] : &shared_slot()[id], value, memory_order_relaxed);
  }
}

int64_t peri_metric_read(peri_metric id) {
  int64_t sum = 0;
  for (uint32_t i = 0; id != 0 && i < PERI_METRIC_THREADS; i++) {
    cell *slot = atomic_load_explicit(&slots[i], memory_order_acquire);
    if (slot != NULL) {
      sum += atomic_load_explicit(&slot[id], memory_order_relaxed);
    }
  }
  return sum;
}

void peri_metrics_each(void (*fn)(void *arg, const char *text, peri_metric_kind kind,
                                  int64_t value),
                       void *arg) {
  uint32_t rows = atomic_load_explicit(&count, memory_order_acquire);
  for (uint32_t i = 1; i < rows; i++) {
    fn(arg, metrics[i].text, metrics[i].kind, peri_metric_read(i));
  }
}
