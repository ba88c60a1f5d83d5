// SPDX-License-Identifier: MIT
// Eleven levels of 64 slots cover every 64-bit due time. A timer lives at the level of the highest
// six-bit group in which its due time differs from the wheel's clock, in the slot that group names:
//
//   level 0: due within the present 64 ms, one slot a tick
//   level 1: due within the present 4096 ms, one slot 64 ticks, and so on
//
// When the clock enters a slot of a higher level its timers move down. Because placement depends on
// the shared prefix and not on the distance, all timers of one tick always share one slot, in the
// order in which they were armed; and the level of an armed timer can be computed from its due time
// at any moment, so that a timer needs no field for it.
#include "transport/wheel.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/mem.h"

enum { BITS = 6, SLOTS = 1 << BITS, LEVELS = 11 };

struct peri_wheel {
  uint64_t now;           // ms
  uint32_t count;         // timers armed
  uint32_t levels;        // bit l: level l has timers
  uint64_t used[LEVELS];  // bit s: slot s has timers
  peri_list slot[LEVELS][SLOTS];
};

peri_wheel *peri_wheel_new(uint64_t now_ms) {
  peri_wheel *wheel = peri_calloc(1, sizeof *wheel);
  wheel->now = now_ms;
  for (int level = 0; level < LEVELS; level++) {
    for (int slot = 0; slot < SLOTS; slot++) {
      peri_list_init(&wheel->slot[level][slot]);
    }
  }
  return wheel;
}

void peri_wheel_free(peri_wheel *wheel) {
  free(wheel);
}

void peri_timer_init(peri_timer *timer, peri_timer_fn fire) {
  *timer = (peri_timer){.fire = fire};
  peri_list_init(&timer->link);
}

static inline unsigned level_of(const peri_wheel *wheel, uint64_t due) {
  uint64_t differs = due ^ wheel->now;
  return differs == 0 ? 0 : (unsigned)(63 - __builtin_clzll(differs)) / BITS;
}

static inline unsigned slot_of(uint64_t due, unsigned level) {
  return (unsigned)(due >> (level * BITS)) & (SLOTS - 1);
}

static inline void mark_empty(peri_wheel *wheel, unsigned level, unsigned slot) {
  wheel->used[level] &= ~(1ull << slot);
  if (wheel->used[level] == 0) {
    wheel->levels &= ~(1u << level);
  }
}

static inline void place(peri_wheel *wheel, peri_timer *timer) {
  unsigned level = level_of(wheel, timer->due);
  unsigned slot = slot_of(timer->due, level);
  peri_list_push(&wheel->slot[level][slot], &timer->link);
  wheel->used[level] |= 1ull << slot;
  wheel->levels |= 1u << level;
}

void peri_wheel_arm(peri_wheel *wheel, peri_timer *timer, uint64_t delay_ms) {
  peri_wheel_cancel(wheel, timer);
  if (delay_ms == 0) {
    delay_ms = 1;  // a timer that re-arms itself from `fire` must not keep one tick busy for ever
  }
  timer->due = delay_ms < UINT64_MAX - wheel->now ? wheel->now + delay_ms : UINT64_MAX;
  wheel->count++;
  place(wheel, timer);
}

int peri_wheel_cancel(peri_wheel *wheel, peri_timer *timer) {
  peri_list *next = timer->link.next;
  if (next == NULL || next == &timer->link) {
    return 0;
  }
  // The last of a list has the head on both sides. A timer on its way out of a slot has another head
  // there, but its slot is empty then, so that marking it so is right as well.
  bool last = next == timer->link.prev;
  peri_list_remove(&timer->link);
  wheel->count--;
  if (last) {
    unsigned level = level_of(wheel, timer->due);
    mark_empty(wheel, level, slot_of(timer->due, level));
  }
  return 1;
}

// Moves the slot's timers to `out`, which need not be initialised.
static void empty_slot(peri_wheel *wheel, unsigned level, unsigned slot, peri_list *out) {
  peri_list *head = &wheel->slot[level][slot];
  *out = *head;
  out->next->prev = out;
  out->prev->next = out;
  peri_list_init(head);
  mark_empty(wheel, level, slot);
}

// The first time at which a slot must be looked at: exact at level 0, else when timers move down.
static uint64_t next_stop(const peri_wheel *wheel) {
  if (wheel->levels == 0) {
    return UINT64_MAX;
  }
  unsigned level = (unsigned)__builtin_ctz(wheel->levels);
  unsigned slot = (unsigned)__builtin_ctzll(wheel->used[level]);
  unsigned shift = level * BITS;
  uint64_t above = shift + BITS < 64 ? wheel->now >> (shift + BITS) << (shift + BITS) : 0;
  return above | (uint64_t)slot << shift;
}

static void move_down(peri_wheel *wheel, unsigned level) {
  peri_list moved;
  empty_slot(wheel, level, slot_of(wheel->now, level), &moved);
  for (peri_list *node = moved.next, *next; node != &moved; node = next) {
    next = node->next;
    place(wheel, peri_container(node, peri_timer, link));
  }
}

static unsigned fire_slot(peri_wheel *wheel) {
  peri_list due;
  unsigned fired = 0;
  empty_slot(wheel, 0, slot_of(wheel->now, 0), &due);
  // Popping one by one keeps timers that `fire` cancels or re-arms out of it.
  for (peri_list *node; (node = peri_list_pop(&due)) != NULL; fired++) {
    peri_timer *timer = peri_container(node, peri_timer, link);
    wheel->count--;
    timer->fire(timer);
  }
  return fired;
}

unsigned peri_wheel_advance(peri_wheel *wheel, uint64_t now_ms) {
  unsigned fired = 0;
  for (;;) {
    uint64_t stop = next_stop(wheel);
    if (stop > now_ms || wheel->levels == 0) {
      break;
    }
    unsigned level = (unsigned)__builtin_ctz(wheel->levels);
    wheel->now = stop;
    if (level == 0) {
      fired += fire_slot(wheel);
    } else {
      move_down(wheel, level);
    }
  }
  if (now_ms > wheel->now) {
    wheel->now = now_ms;
  }
  return fired;
}

uint64_t peri_wheel_next(const peri_wheel *wheel) {
  uint64_t stop = next_stop(wheel);
  if (stop == UINT64_MAX) {
    return UINT64_MAX;
  }
  return stop > wheel->now ? stop - wheel->now : 1;
}

uint32_t peri_wheel_count(const peri_wheel *wheel) {
  return wheel->count;
}

uint64_t peri_wheel_now(const peri_wheel *wheel) {
  return wheel->now;
}
