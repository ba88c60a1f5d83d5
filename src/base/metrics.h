// SPDX-License-Identifier: MIT
// Counters and gauges of the whole process. Each thread that counts owns a slot, an array with one
// cell per metric, which only it writes: counting is a load, an add and a store, without a lock and
// without sharing a cache line with another thread. Reading sums the slots, from any thread.
//
// A metric is a name and, perhaps, a set of labels. Label sets are bounded per name: the ones past
// the limit share one metric whose label values are all `other`, so that a peer that invents names
// cannot grow the table.
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/metrics_ffi.h"

typedef uint32_t peri_metric;  // handle, valid for the life of the process; 0 swallows counts

typedef enum peri_metric_kind {
  PERI_METRIC_COUNTER,  // only grows
  PERI_METRIC_GAUGE,    // the sum of what each thread says it has now
} peri_metric_kind;

typedef struct peri_metric_label {
  const char *key;    // [a-z_]+, the caller's choice, trusted
  const char *value;  // any text; escaped and cut to 64 bytes
} peri_metric_label;

#define PERI_METRIC_MAX 4096u        // metrics of the process, label sets included
#define PERI_METRIC_LABEL_SETS 100u  // per name
#define PERI_METRIC_THREADS 512u

// Finds or adds a metric without labels. Any thread; takes a lock, so callers keep the handle.
// Returns 0 when the table is full (counts are then dropped).
peri_metric peri_metric_get(const char *name, peri_metric_kind kind);
// The same with labels, in the order given. At most 8.
peri_metric peri_metric_get_labelled(const char *name, peri_metric_kind kind,
                                     const peri_metric_label *labels, size_t count);

// Gives the calling thread a slot of its own. Threads without one share slot 0 with atomic adds.
void peri_metrics_attach(void);
// What the slot's counters say stays in the sums; its gauges are set to zero.
void peri_metrics_detach(void);

// The calling thread's share is now `value`: of a gauge, or of what is counted elsewhere since it was
// attached.
void peri_metric_set(peri_metric metric, int64_t value);
// Sum over all threads.
int64_t peri_metric_read(peri_metric metric);
// Calls `fn` for each metric in order of registration: `text` is `name` or `name{key="value"}`,
// borrowed. Metrics may be added meanwhile, from `fn` too.
void peri_metrics_each(void (*fn)(void *arg, const char *text, peri_metric_kind kind,
                                  int64_t value),
                       void *arg);
