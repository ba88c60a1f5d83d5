// SPDX-License-Identifier: MIT
// The calls of one connection that wait for an answer: stream id -> future. Direct-mapped: a stream
// lives at `stream & mask` and nowhere else. We choose the ids, so an id whose place is taken is
// skipped; there is no probing, and a lookup is one load. Growing never collides: streams that differ
// modulo n differ modulo 2n.
#pragma once
#include "future/future.h"

typedef struct peri_pending_slot {
  uint32_t stream;  // 0 = free
  uint32_t pad;
  peri_id future;  // 0 = a stream whose events go to the handler
} peri_pending_slot;

typedef struct peri_pending {
  uint32_t mask;
  uint32_t count;
  peri_futures *table;  // borrowed; of all futures here
  peri_pending_slot slots[];
} peri_pending;

// Takes the next free stream id after `*last` (wraps from INT32_MAX to 1), advances `*last`, and
// registers `future` (0 = stream) for it. `*map` is allocated and grown as needed.
uint32_t peri_pending_add(peri_pending **map, uint32_t *last, peri_id future);
// The next id whose place is free, without taking it. NULL map is allowed.
uint32_t peri_pending_skip(const peri_pending *map, uint32_t last);

static inline peri_pending_slot *peri_pending_find(peri_pending *map, uint64_t stream) {
  if (map == NULL || stream == 0) {
    return NULL;
  }
  peri_pending_slot *slot = &map->slots[stream & map->mask];
  return slot->stream == stream ? slot : NULL;
}

static inline void peri_pending_remove(peri_pending *map, peri_pending_slot *slot) {
  slot->stream = 0;
  map->count--;
}
