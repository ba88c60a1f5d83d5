// SPDX-License-Identifier: MIT
// Objects with ids that cannot dangle. An id is a slot number and a generation; releasing a slot
// changes its generation, so that an old id finds nothing instead of somebody else's object. Slots
// live in chunks that never move: a pointer stays good until its id is released. One thread.
#pragma once
#include <stddef.h>
#include <stdint.h>

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
  uint32_t slot = (uint32_t)id;
  if (slot >= slots->fresh) {
    return NULL;
  }
  peri_slot *header = peri_slots_header(slots, slot);
  return header->gen == (uint32_t)(id >> 32) && (header->gen & 1) != 0 ? header + 1 : NULL;
}
