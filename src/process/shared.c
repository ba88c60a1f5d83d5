// SPDX-License-Identifier: MIT
// One lock over a chained hash table: an operation holds it for tens of nanoseconds, and scripts
// that need more than a few million a second should count per worker.
#include "process/shared.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/list.h"
#include "base/mem.h"

enum { FIRST_BUCKETS = 64 };

typedef struct entry {
  peri_list chain;  // of its bucket
  peri_list age;    // of all evictable entries, oldest first; self-linked for counters
  uint64_t hash;
  uint64_t expires;  // ms, 0 = never
  bool counter;
  peri_shared_type type;
  double number;
  char *text;  // owned, NULL unless STRING
  size_t len;
  size_t key_len;
  char key[];
} entry;

struct peri_shared {
  pthread_mutex_t lock;
  peri_shared_limits limits;
  peri_list *buckets;  // owned
  uint32_t bucket_count;
  uint64_t seed, factor;
  uint32_t counters;
  uint32_t entries;
  size_t bytes;
  uint64_t evicted;
  peri_list ages;
};

__extension__ typedef unsigned __int128 wide;

// The whole product of both, folded.
static uint64_t mix(uint64_t a, uint64_t b) {
  wide product = (wide)a * b;
  return (uint64_t)product ^ (uint64_t)(product >> 64);
}

// Keys may come from peers, so they are multiplied by a number that those do not know; eight bytes at a
// time, as in wyhash.
static uint64_t hash_of(const peri_shared *shared, const char *key, size_t len) {
  uint64_t hash = len, word = 0;
  for (; len > sizeof word; key += sizeof word, len -= sizeof word) {
    memcpy(&word, key, sizeof word);
    hash = mix(hash ^ word ^ shared->seed, shared->factor);
  }
  word = 0;
  memcpy(&word, key, len);
  return mix(hash ^ word ^ shared->seed, shared->factor);
}

static peri_list *new_buckets(uint32_t count) {
  peri_list *buckets = peri_malloc(count * sizeof *buckets);
  for (uint32_t i = 0; i < count; i++) {
    peri_list_init(&buckets[i]);
  }
  return buckets;
}

peri_shared *peri_shared_new(const peri_shared_limits *limits) {
  peri_shared *shared = peri_calloc(1, sizeof *shared);
  shared->limits = limits != NULL ? *limits : PERI_SHARED_LIMITS_DEFAULT;
  pthread_mutex_init(&shared->lock, NULL);
  shared->seed = peri_env->seed();
  shared->factor = peri_env->seed() | 1;
  shared->bucket_count = FIRST_BUCKETS;
  shared->buckets = new_buckets(FIRST_BUCKETS);
  peri_list_init(&shared->ages);
  return shared;
}

static void drop(peri_shared *shared, entry *it) {
  shared->bytes -= it->key_len + it->len;
  *(it->counter ? &shared->counters : &shared->entries) -= 1;
  peri_list_remove(&it->chain);
  peri_list_remove(&it->age);
  free(it->text);
  free(it);
}

void peri_shared_free(peri_shared *shared) {
  if (shared == NULL) {
    return;
  }
  for (uint32_t i = 0; i < shared->bucket_count; i++) {
    while (!peri_list_empty(&shared->buckets[i])) {
      drop(shared, peri_container(shared->buckets[i].next, entry, chain));
    }
  }
  free(shared->buckets);
  pthread_mutex_destroy(&shared->lock);
  free(shared);
}

// Doubles the table when chains get long, so that a lookup stays short whatever the count.
static void grow(peri_shared *shared) {
  if (shared->counters + shared->entries < shared->bucket_count * 2) {
    return;
  }
  uint32_t count = shared->bucket_count * 4;
  peri_list *buckets = new_buckets(count);
  for (uint32_t i = 0; i < shared->bucket_count; i++) {
    peri_list *node;
    while ((node = peri_list_pop(&shared->buckets[i])) != NULL) {
      peri_list_push(&buckets[peri_container(node, entry, chain)->hash & (count - 1)], node);
    }
  }
  free(shared->buckets);
  shared->buckets = buckets;
  shared->bucket_count = count;
}

// The live entry of `key`, or NULL; an expired one is dropped on the way.
static entry *find(peri_shared *shared, const char *key, size_t len, uint64_t hash, uint64_t now) {
  peri_list *bucket = &shared->buckets[hash & (shared->bucket_count - 1)];
  for (peri_list *node = bucket->next; node != bucket; node = node->next) {
    entry *it = peri_container(node, entry, chain);
    if (it->hash == hash && it->key_len == len && memcmp(it->key, key, len) == 0) {
      if (it->expires != 0 && it->expires <= now) {
        drop(shared, it);
        return NULL;
      }
      return it;
    }
  }
  return NULL;
}

static entry *add(peri_shared *shared, const char *key, size_t len, uint64_t hash, bool counter) {
  grow(shared);
  entry *it = peri_calloc(1, sizeof *it + len);
  it->hash = hash;
  it->counter = counter;
  it->key_len = len;
  memcpy(it->key, key, len);
  peri_list_push(&shared->buckets[hash & (shared->bucket_count - 1)], &it->chain);
  peri_list_init(&it->age);
  *(counter ? &shared->counters : &shared->entries) += 1;
  shared->bytes += len;
  if (!counter) {
    peri_list_push(&shared->ages, &it->age);
  }
  return it;
}

// Frees the oldest entries until `entries` more and `bytes` more fit. False when they never will.
static bool make_room(peri_shared *shared, uint32_t entries, size_t bytes, uint64_t now) {
  while (shared->entries + entries > shared->limits.entries ||
         shared->bytes + bytes > shared->limits.bytes) {
    if (peri_list_empty(&shared->ages)) {
      return false;
    }
    entry *oldest = peri_container(shared->ages.next, entry, age);
    shared->evicted += oldest->expires == 0 || oldest->expires > now;
    drop(shared, oldest);
  }
  return true;
}

int peri_shared_incr(peri_shared *shared, const char *key, size_t key_len, double by,
                     const double *limit, uint64_t now_ms, double *sum) {
  if (key_len > shared->limits.key) {
    return PERI_EBAD_REQUEST;
  }
  int result = 0;
  uint64_t hash = hash_of(shared, key, key_len);
  pthread_mutex_lock(&shared->lock);
  entry *it = find(shared, key, key_len, hash, now_ms);
  double next = (it != NULL ? it->number : 0) + by;
  if (it != NULL && it->type != PERI_SHARED_NUMBER) {
    result = PERI_EBAD_REQUEST;
  } else if (!isfinite(next) || (limit != NULL && !(next <= *limit))) {
    result = PERI_ELIMITED;  // what is no number would hold no limit for ever
  } else if (it == NULL && shared->counters >= shared->limits.counters) {
    result = PERI_ELIMITED;
  } else {
    it = it != NULL ? it : add(shared, key, key_len, hash, true);
    it->type = PERI_SHARED_NUMBER;
    *sum = it->number = next;
  }
  pthread_mutex_unlock(&shared->lock);
  return result;
}

// A bucket is a number that says when the call after the last one is due; once that is past, the
// bucket is full, which is what no entry means. So its expiry is that time.
static entry *bucket_of(peri_shared *shared, const char *key, size_t len, bool keep,
                        uint64_t now_ms) {
  uint64_t hash = hash_of(shared, key, len);
  entry *it = find(shared, key, len, hash, now_ms);
  if (it != NULL) {
    return it->type == PERI_SHARED_NUMBER && !it->counter ? it : NULL;
  }
  if (keep && !peri_list_empty(&shared->ages)) {
    entry *oldest = peri_container(shared->ages.next, entry, age);
    bool full =
        shared->entries >= shared->limits.entries || shared->bytes + len > shared->limits.bytes;
    if (full && (oldest->expires == 0 || oldest->expires > now_ms)) {
      return NULL;
    }
  }
  if (!make_room(shared, 1, len, now_ms)) {
    return NULL;
  }
  it = add(shared, key, len, hash, false);
  it->type = PERI_SHARED_NUMBER;
  return it;
}

double peri_shared_take(peri_shared *shared, const char *key, size_t key_len, double interval,
                        double burst, double cost, double max_wait, bool keep, double now) {
  if (key_len > shared->limits.key) {
    return NAN;
  }
  double result = NAN;
  pthread_mutex_lock(&shared->lock);
  entry *it = bucket_of(shared, key, key_len, keep, (uint64_t)now);
  if (it != NULL) {
    double due = it->number > now ? it->number : now;
    double next = due + cost * interval;
    double wait = next - burst * interval - now;
    if (wait > max_wait + 1e-6) {
      result = -(wait - max_wait);
    } else {
      it->number = next;
      it->expires = next < 1e15 ? (uint64_t)next + 1 : 0;
      result = wait > 0 ? wait : 0;
    }
    if (it->number <= now) {
      drop(shared, it);
    }
  }
  pthread_mutex_unlock(&shared->lock);
  return result;
}

peri_shared_value peri_shared_get(peri_shared *shared, const char *key, size_t key_len,
                                  uint64_t now_ms) {
  peri_shared_value value = {PERI_SHARED_NONE, 0, NULL, 0};
  pthread_mutex_lock(&shared->lock);
  entry *it = find(shared, key, key_len, hash_of(shared, key, key_len), now_ms);
  if (it != NULL) {
    value = (peri_shared_value){it->type, it->number, NULL, it->len};
    if (it->type == PERI_SHARED_STRING) {
      value.text = peri_strndup(it->text, it->len);
    }
  }
  pthread_mutex_unlock(&shared->lock);
  return value;
}

static void assign(peri_shared *shared, entry *it, const peri_shared_value *value) {
  shared->bytes += value->len - it->len;
  free(it->text);
  it->text = value->type == PERI_SHARED_STRING ? peri_strndup(value->text, value->len) : NULL;
  it->len = value->len;
  it->type = value->type;
  it->number = value->number;
}

int peri_shared_set(peri_shared *shared, const char *key, size_t key_len,
                    const peri_shared_value *given, uint64_t ttl_ms, uint64_t now_ms) {
  peri_shared_value value = *given;
  value.len = value.type == PERI_SHARED_STRING ? value.len : 0;
  if (key_len > shared->limits.key || value.len > shared->limits.value) {
    return PERI_ETOO_BIG;
  }
  int result = 0;
  uint64_t hash = hash_of(shared, key, key_len);
  pthread_mutex_lock(&shared->lock);
  entry *it = find(shared, key, key_len, hash, now_ms);
  // A set replaces: what was a counter becomes an entry, and an entry becomes the youngest.
  if (it != NULL) {
    drop(shared, it);
  }
  if (value.type != PERI_SHARED_NONE) {
    if (make_room(shared, 1, key_len + value.len, now_ms)) {
      it = add(shared, key, key_len, hash, false);
      it->expires = ttl_ms != 0 ? now_ms + ttl_ms : 0;
      assign(shared, it, &value);
    } else {
      result = PERI_ETOO_BIG;
    }
  }
  pthread_mutex_unlock(&shared->lock);
  return result;
}

uint64_t peri_shared_evicted(peri_shared *shared) {
  pthread_mutex_lock(&shared->lock);
  uint64_t evicted = shared->evicted;
  pthread_mutex_unlock(&shared->lock);
  return evicted;
}

uint32_t peri_shared_count(peri_shared *shared) {
  pthread_mutex_lock(&shared->lock);
  uint32_t count = shared->counters + shared->entries;
  pthread_mutex_unlock(&shared->lock);
  return count;
}
