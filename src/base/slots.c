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

void *peri_slots_take(peri_slots *slots, peri_id *id) {
  uint32_t slot;
  if (slots->live >= slots->limit) {
    return NULL;
  }
  if (slots->free_head != 0) {
    slot = slots->free_head - 1;
    slots->free_head = peri_slots_header(slots, slot)->next_free;
  } else {
    if (slots->fresh == slots->chunks * PERI_SLOTS_PER_CHUNK && add_chunk(slots) != 0) {
      return NULL;
    }
    slot = slots->fresh++;
  }
  peri_slot *header = peri_slots_header(slots, slot);
  header->gen++;
  slots->live++;
  *id = (peri_id)header->gen << 32 | slot;
  return memset(header + 1, 0, slots->item_size);
}

void peri_slots_release(peri_slots *slots, peri_id id) {
  peri_check(peri_slots_get(slots, id) != NULL);
  peri_slot *header = peri_slots_header(slots, (uint32_t)id);
  header->gen++;
  header->next_free = slots->free_head;
  slots->free_head = (uint32_t)id + 1;
  slots->live--;
}
