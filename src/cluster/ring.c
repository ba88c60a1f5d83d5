// SPDX-License-Identifier: MIT
// A point is one number, its hash above the index of its node, so that sorting and searching move
// eight bytes. More nodes get fewer points each, always by halves: the points a node keeps are those
// it had.
#include "cluster/ring.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define INDEX_BITS 20u
#define INDEX_MASK ((1u << INDEX_BITS) - 1)
#define DIGIT_BITS 11u
#define DIGITS (1u << DIGIT_BITS)
#define POINTS_MOST 128u
#define POINTS_LEAST 8u
#define POINTS_ALL 200000u

struct peri_ring {
  peri_counters **list;  // borrowed from the node list that owns the ring
  uint64_t *points;      // ascending
  uint32_t n;
  uint32_t count;
  double active;  // of all nodes, as last summed, and one for each choice since
  double weight;
  uint32_t age;  // choices since the sum
};

static _Thread_local uint64_t last_mark;

static uint64_t mix(uint64_t hash) {
  hash ^= hash >> 33;
  hash *= 0xff51afd7ed558ccdu;
  hash ^= hash >> 33;
  hash *= 0xc4ceb9fe1a85ec53u;
  return hash ^ hash >> 33;
}

static uint64_t hash_of(const char *bytes, size_t len) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (size_t i = 0; i < len; i++) {
    hash = (hash ^ (uint8_t)bytes[i]) * 0x100000001b3u;
  }
  return mix(hash);
}

double peri_balance_hash(const char *bytes, size_t len) {
  return (double)(hash_of(bytes, len) >> 11) * 0x1p-53;
}

static void sort(uint64_t *points, uint32_t count) {
  uint64_t *from = points;
  uint64_t *spare = peri_malloc(count * sizeof *spare);
  uint64_t *to = spare;
  for (uint32_t shift = INDEX_BITS; shift < 64; shift += DIGIT_BITS) {
    uint32_t at[DIGITS] = {0};
    for (uint32_t i = 0; i < count; i++) {
      at[from[i] >> shift & (DIGITS - 1)]++;
    }
    uint32_t sum = 0;
    for (uint32_t d = 0; d < DIGITS; d++) {
      uint32_t here = at[d];
      at[d] = sum;
      sum += here;
    }
    for (uint32_t i = 0; i < count; i++) {
      to[at[from[i] >> shift & (DIGITS - 1)]++] = from[i];
    }
    uint64_t *swap = from;
    from = to;
    to = swap;
  }
  free(spare);  // an even number of passes: the result is where it began
}

static uint32_t points_each(uint32_t n) {
  uint32_t each = POINTS_MOST;
  while (each > POINTS_LEAST && each * n > POINTS_ALL) {
    each /= 2;
  }
  return each;
}

static uint32_t share(uint32_t each, uint32_t weight, uint32_t heaviest) {
  if (heaviest == 0) {
    return each;
  }
  uint32_t points = (uint32_t)((uint64_t)each * weight / heaviest);
  return weight > 0 && points == 0 ? 1 : points;
}

peri_ring *peri_ring_new(peri_counters **list, uint32_t n) {
  n = n > INDEX_MASK ? INDEX_MASK : n;
  uint32_t heaviest = 0;
  for (uint32_t i = 0; i < n; i++) {
    heaviest = list[i]->weight > heaviest ? list[i]->weight : heaviest;
  }
  uint32_t each = points_each(n);
  peri_ring *ring = peri_calloc(1, sizeof *ring);
  ring->list = list;
  ring->n = n;
  ring->points = peri_malloc((size_t)each * n * sizeof *ring->points + 1);
  ring->age = UINT32_MAX;
  for (uint32_t i = 0; i < n; i++) {
    const char *address = peri_counters_address(list[i]);
    uint64_t seed = hash_of(address, strlen(address));
    uint32_t points = share(each, list[i]->weight, heaviest);
    for (uint32_t p = 0; p < points; p++) {
      uint64_t hash = mix(seed + p * 0x9e3779b97f4a7c15u);
      ring->points[ring->count++] = (hash & ~(uint64_t)INDEX_MASK) | i;
    }
  }
  sort(ring->points, ring->count);
  return ring;
}

void peri_ring_free(peri_ring *ring) {
  if (ring) {
    free(ring->points);
    free(ring);
  }
}

static uint32_t first_after(const peri_ring *ring, uint64_t hash) {
  uint32_t low = 0;
  uint32_t high = ring->count;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if (ring->points[middle] < hash) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low == ring->count ? 0 : low;
}

// What `list` carries. Marks it, so that walking the ring can tell who is among it.
static void sum(peri_counters **list, uint32_t n, uint64_t mark, double *active, double *weight) {
  *active = 0;
  *weight = 0;
  for (uint32_t i = 0; i < n; i++) {
    list[i]->mark = mark;
    *active += list[i]->active;
    *weight += list[i]->weight;
  }
}

// Choices between two sums: often enough that the sum is off by an eighth of a call per node at most.
static void refresh(peri_ring *ring) {
  if (ring->age >= 16 + ring->n / 8) {
    double active;
    double weight;
    sum(ring->list, ring->n, 0, &active, &weight);
    ring->active = active;
    ring->weight = weight;
    ring->age = 0;
  }
  ring->age++;
  ring->active++;
}

static bool has_room(const peri_counters *c, double bound, double active, double weight) {
  return bound <= 0 || c->active == 0 || weight <= 0 ||
         c->active + 1 <= ceil(bound * active * c->weight / weight);
}

uint32_t peri_ring_find(peri_ring *ring, const char *key, size_t len, double bound,
                        peri_counters **among, uint32_t n) {
  uint64_t mark = 0;
  double active;
  double weight;
  if (among != NULL) {
    mark = ++last_mark;
    sum(among, n, mark, &active, &weight);
    active++;
  } else {
    refresh(ring);
    active = ring->active;
    weight = ring->weight;
  }
  uint32_t at = first_after(ring, hash_of(key, len));
  uint32_t first = UINT32_MAX;
  for (uint32_t step = 0; step < ring->count; step++) {
    uint32_t index = (uint32_t)(ring->points[at] & INDEX_MASK);
    const peri_counters *c = ring->list[index];
    if (among == NULL || c->mark == mark) {
      if (has_room(c, bound, active, weight)) {
        return index;
      }
      first = first == UINT32_MAX ? index : first;
    }
    at = at + 1 == ring->count ? 0 : at + 1;
  }
  return first;
}
