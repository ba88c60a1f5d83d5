// SPDX-License-Identifier: MIT
#include "protocol/pending.h"

#include <stdlib.h>

#include "base/mem.h"

#define FIRST_SIZE 16u

static peri_pending *map_new(uint32_t size) {
  peri_pending *map = (peri_pending *)peri_calloc(1, sizeof *map + size * sizeof map->slots[0]);
  map->mask = size - 1;
  return map;
}

// At most half full, so that skipping taken places costs less than one step per id on average.
static peri_pending *map_grow(peri_pending *old) {
  peri_pending *map = map_new((old->mask + 1) * 2);
  map->count = old->count;
  map->table = old->table;
  for (uint32_t n = 0; n <= old->mask; n++) {
    if (old->slots[n].stream != 0) {
      map->slots[old->slots[n].stream & map->mask] = old->slots[n];
    }
  }
  free(old);
  return map;
}

uint32_t peri_pending_skip(const peri_pending *map, uint32_t last) {
  do {
    last = last >= INT32_MAX ? 1 : last + 1;
  } while (map != NULL && map->slots[last & map->mask].stream != 0);
  return last;
}

uint32_t peri_pending_add(peri_pending **at, uint32_t *last, peri_id future) {
  peri_pending *map = *at;
  if (map == NULL) {
    *at = map = map_new(FIRST_SIZE);
  } else if (map->count * 2 > map->mask) {
    *at = map = map_grow(map);
  }
  uint32_t stream = peri_pending_skip(map, *last);
  map->slots[stream & map->mask] = (peri_pending_slot){.stream = stream, .future = future};
  map->count++;
  *last = stream;
  return stream;
}
