// SPDX-License-Identifier: MIT
#include "base/slots.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void peri_slots_init(peri_slots *slots, uint32_t item_size, uint32_t limit) {
  uint32_t stride = (uint32_t)sizeof(peri_slot) + item_size;
  *slots = (peri_slots){
      .item_size = item_size,
      .stride = (stride + 7u) & ~7u,
      .limit = limit,
  };
  peri_owner_take(&slots->owner);
}

void peri_slots_fini(peri_slots *slots) {
  for (uint32_t i = 0; i < slots->chunks; i++) {
    free(slots->chunk[i]);
  }
  free(slots->chunk);
  peri_slots_init(slots, slots->item_size, slots->limit);
}

static int add_chunk(peri_slots *slots) {
  uint8_t *memory = calloc(PERI_SLOTS_PER_CHUNK, slots->stride);
  if (memory == NULL) {
    return -1;
  }
  slots->chunk = peri_realloc(slots->chunk, (slots->chunks + 1) * sizeof *slots->chunk);
  slots->chunk[slots->chunks++] = memory;
  return 0;
}

bool peri_slots_add(peri_slots *slots) {
  if (slots->fresh == slots->chunks * PERI_SLOTS_PER_CHUNK && add_chunk(slots) != 0) {
    return false;
  }
  peri_slots_header(slots, slots->fresh)->next_free = 0;
  slots->free_head = ++slots->fresh;
  return true;
}

void *peri_slots_take(peri_slots *slots, peri_id *id) {
  void *object = peri_slots_take_raw(slots, id);
  return object != NULL ? memset(object, 0, slots->item_size) : NULL;
}

void peri_slots_release(peri_slots *slots, peri_id id) {
  peri_slots_put(slots, id);
}
