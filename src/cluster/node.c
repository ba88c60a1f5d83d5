// SPDX-License-Identifier: MIT
// Interned nodes live in one small hash table under one mutex: it is taken when a node list changes
// or a total is read, never per call. Counters are written by their VM alone; another thread reads
// `active`, `calls` and `errors`, so these are accessed atomically.
#include "cluster/node.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "cluster/node_private.h"

#define BUCKETS 1024u

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static peri_node *buckets[BUCKETS];
static uint32_t interned;
static _Thread_local double last_now;

void peri_node_lock(void) {
  pthread_mutex_lock(&lock);
}

void peri_node_unlock(void) {
  pthread_mutex_unlock(&lock);
}

static double clock_ms(void) {
  last_now = (double)peri_env->hrtime() / 1e6;
  return last_now;
}

double peri_counters_now(void) {
  return last_now > 0 ? last_now : clock_ms();
}

static peri_node **bucket_of(const char *address) {
  uint32_t hash = 2166136261u;
  for (const char *p = address; *p; p++) {
    hash = (hash ^ (uint8_t)*p) * 16777619u;
  }
  return &buckets[hash % BUCKETS];
}

static peri_node *intern(const char *address) {
  peri_node **bucket = bucket_of(address);
  for (peri_node *node = *bucket; node; node = node->chain) {
    if (strcmp(node->address, address) == 0) {
      return node;
    }
  }
  size_t size = strlen(address) + 1;
  peri_node *node = peri_calloc(1, sizeof *node + size);
  memcpy(node->address, address, size);
  node->chain = *bucket;
  *bucket = node;
  interned++;
  return node;
}

static void forget(peri_node *node) {
  peri_node **at = bucket_of(node->address);
  while (*at != node) {
    at = &(*at)->chain;
  }
  *at = node->chain;
  interned--;
  free(node);
}

peri_counters *peri_counters_new(const char *address) {
  peri_counters *counters = peri_calloc(1, sizeof *counters);
  counters->weight = 100;
  pthread_mutex_lock(&lock);
  counters->node = intern(address);
  counters->node->refs++;
  counters->next = counters->node->counters;
  counters->node->counters = counters;
  pthread_mutex_unlock(&lock);
  return counters;
}

void peri_counters_free(peri_counters *counters) {
  if (!counters) {
    return;
  }
  pthread_mutex_lock(&lock);
  peri_node *node = counters->node;
  peri_counters **at = &node->counters;
  while (*at != counters) {
    at = &(*at)->next;
  }
  *at = counters->next;
  if (--node->refs == 0) {
    forget(node);
  }
  pthread_mutex_unlock(&lock);
  free(counters);
}

const char *peri_counters_address(const peri_counters *counters) {
  return counters->node->address;
}

void peri_counters_begin_at(peri_counters *counters) {
  __atomic_store_n(&counters->active, counters->active + 1, __ATOMIC_RELAXED);
  __atomic_store_n(&counters->calls, counters->calls + 1, __ATOMIC_RELAXED);
}

double peri_counters_begin(peri_counters *counters) {
  peri_counters_begin_at(counters);
  return clock_ms();
}

// A peak is believed at once, an improvement slowly: a node that gets slow must lose traffic within
// a call, one that had a lucky call must not be flooded.
void peri_counters_sample(peri_counters *counters, double now, double latency, bool failed) {
  if (failed) {
    // A node that fails fast would look like the fastest of all and draw all traffic.
    latency = fmin(fmax(fmax(latency, counters->latency) * 2, 1.0), 10000.0);
    __atomic_store_n(&counters->errors, counters->errors + 1, __ATOMIC_RELAXED);
  }
  latency = latency < 1e-3 ? 1e-3 : latency;
  if (latency >= counters->latency) {
    counters->latency = latency;
  } else if (now != counters->stamp) {  // the answers of one turn come at the same time
    double keep = exp((counters->stamp - now) / PERI_LATENCY_DECAY_MS);
    counters->latency = counters->latency * keep + latency * (1 - keep);
  }
  counters->stamp = now;
}

// The streak is shared by all workers: it is written when it changes, not at every success.
static void watch(peri_node *node, bool failed) {
  if (failed) {
    atomic_fetch_add(&node->streak, 1);
  } else if (atomic_load_explicit(&node->streak, memory_order_relaxed) != 0) {
    atomic_store(&node->streak, 0);
  }
}

void peri_counters_done_at(peri_counters *counters, double began, double now, bool failed) {
  if (counters->active > 0) {
    __atomic_store_n(&counters->active, counters->active - 1, __ATOMIC_RELAXED);
  }
  last_now = now;
  if (counters->watched) {
    watch(counters->node, failed);
  }
  peri_counters_sample(counters, now, now - began, failed);
}

void peri_counters_done(peri_counters *counters, double began, bool failed) {
  peri_counters_done_at(counters, began, clock_ms(), failed);
}

bool peri_node_fault(int code) {
  switch (code) {
  case PERI_ETIMEOUT:
  case PERI_EUNAVAILABLE:
  case PERI_EOVERLOADED:
  case PERI_ESHUTDOWN:
  case PERI_ENO_SERVICE:
  case PERI_ESESSION_LOST:
  case PERI_ECLOSED:
  case PERI_EPROTOCOL:
  case PERI_ESYSTEM: return true;
  default: return false;
  }
}

double peri_counters_load(const peri_counters *counters, double now) {
  double latency = counters->latency;
  double idle = now - counters->stamp;
  if (idle > PERI_LATENCY_DECAY_MS / 100) {
    latency *= exp(-idle / PERI_LATENCY_DECAY_MS);
  }
  return (latency + PERI_LATENCY_FLOOR_MS) * ((double)counters->active + 1);
}

uint32_t peri_node_total(peri_node *node) {
  uint32_t total = 0;
  pthread_mutex_lock(&lock);
  for (peri_counters *c = node->counters; c; c = c->next) {
    total += __atomic_load_n(&c->active, __ATOMIC_RELAXED);
  }
  pthread_mutex_unlock(&lock);
  return total;
}

void peri_node_connect(peri_node *node, int32_t by) {
  atomic_fetch_add(&node->connected, (unsigned)by);
}

uint32_t peri_node_connected(const peri_node *node) {
  return atomic_load(&node->connected);
}

void peri_node_set_offline(peri_node *node, bool offline) {
  atomic_store(&node->offline, offline);
}

bool peri_node_offline(const peri_node *node) {
  return atomic_load(&node->offline);
}

void peri_node_eject(peri_node *node, double until) {
  atomic_store(&node->ejected_until, until);
}

bool peri_node_ejected(const peri_node *node, double now) {
  return atomic_load(&node->ejected_until) > now;
}

uint32_t peri_node_rank(const char *address, double chooser) {
  uint64_t hash;
  memcpy(&hash, &chooser, sizeof hash);
  for (const char *p = address; *p; p++) {
    hash = (hash ^ (uint8_t)*p) * 0x100000001b3u;
  }
  hash ^= hash >> 32;
  hash *= 0xd6e8feb86659fd93u;
  return (uint32_t)(hash ^ hash >> 32);
}

uint32_t peri_node_count(void) {
  pthread_mutex_lock(&lock);
  uint32_t count = interned;
  pthread_mutex_unlock(&lock);
  return count;
}
