// SPDX-License-Identifier: MIT
// Objects with ids that cannot dangle. An id is a slot number and a generation; releasing a slot
// changes its generation, so that an old id finds nothing instead of somebody else's object. Slots
// live in chunks that never move: a pointer stays good until its id is released. One thread.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/owner.h"

typedef uint64_t peri_id;  // generation << 32 | slot; 0 is never a valid id

typedef struct peri_slots {
  uint32_t item_size;  // bytes of one object, without our header
  uint32_t stride;     // bytes from one slot to the next
  uint32_t chunks;     // allocated chunks
  uint32_t live;       // slots in use
  uint32_t limit;      // most slots in use at once
  uint32_t free_head;  // first free slot + 1, 0 = none
  uint32_t fresh;      // slots ever handed out
  uint8_t **chunk;     // owned
  peri_owner owner;    // the thread that initialised it
} peri_slots;

#define PERI_SLOTS_PER_CHUNK 256u

// In front of each object. `gen` is odd while the slot is in use.
typedef struct peri_slot {
  uint32_t gen;
  uint32_t next_free;
} peri_slot;

void peri_slots_init(peri_slots *slots, uint32_t item_size, uint32_t limit);
// Frees everything; ids still out there find nothing because the table is empty.
void peri_slots_fini(peri_slots *slots);
// Returns a zeroed object and its id, or NULL when the limit is reached or memory is short.
void *peri_slots_take(peri_slots *slots, peri_id *id);
// Gives the slot back. Borrowed pointers to it end here.
void peri_slots_release(peri_slots *slots, peri_id id);

static inline peri_slot *peri_slots_header(const peri_slots *slots, uint32_t slot) {
  return (peri_slot *)(void *)(slots->chunk[slot / PERI_SLOTS_PER_CHUNK] +
                               (size_t)(slot % PERI_SLOTS_PER_CHUNK) * slots->stride);
}

// The object of `id`, or NULL when the id is over.
static inline void *peri_slots_get(const peri_slots *slots, peri_id id) {
  peri_owner_check(&slots->owner);
  uint32_t slot = (uint32_t)id;
  if (slot >= slots->fresh) {
    return NULL;
  }
  peri_slot *header = peri_slots_header(slots, slot);
  return header->gen == (uint32_t)(id >> 32) && (header->gen & 1) != 0 ? header + 1 : NULL;
}

// Puts a slot that was never handed out in front of the free ones, which are none; false without
// memory.
bool peri_slots_add(peri_slots *slots);

// peri_slots_take without clearing the object, for who sets all of it.
static inline void *peri_slots_take_raw(peri_slots *slots, peri_id *id) {
  peri_owner_check(&slots->owner);
  if (slots->live >= slots->limit || (slots->free_head == 0 && !peri_slots_add(slots))) {
    return NULL;
  }
  uint32_t slot = slots->free_head - 1;
  peri_slot *header = peri_slots_header(slots, slot);
  slots->free_head = header->next_free;
  header->gen++;
  slots->live++;
  *id = (peri_id)header->gen << 32 | slot;
  return header + 1;
}

// peri_slots_release in place.
static inline void peri_slots_put(peri_slots *slots, peri_id id) {
  void *object = peri_slots_get(slots, id);
  peri_check(object != NULL);
  peri_slot *header = (peri_slot *)object - 1;
  header->gen++;
  header->next_free = slots->free_head;
  slots->free_head = (uint32_t)id + 1;
  slots->live--;
}
