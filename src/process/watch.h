// SPDX-License-Identifier: MIT
// Tells a stuck thread from an idle one. The supervisor samples a loop's turn counter; a loop that
// has not turned for a while is posted a ping, which an idle one answers by turning at once. A pure
// state machine over (turns, now): main acts on what it says.
#pragma once
#include <stdbool.h>
#include <stdint.h>

typedef struct peri_watch {
  uint64_t turns;       // at the last change
  uint64_t changed_ms;  // when that was seen
  uint64_t pinged_ms;   // 0 = no ping outstanding
  bool stuck;           // reported, not yet recovered
} peri_watch;

typedef struct peri_watch_limits {
  uint32_t ping_ms;   // without a turn: ask
  uint32_t stuck_ms;  // without a turn: report
  uint32_t stall_ms;  // without a turn: give up; 0 = never
} peri_watch_limits;

#define PERI_WATCH_LIMITS_DEFAULT ((peri_watch_limits){500u, 1000u, 30000u})

typedef enum peri_watch_advice {
  PERI_WATCH_NOTHING,
  PERI_WATCH_PING,       // post an empty message to the loop
  PERI_WATCH_STUCK,      // report it; once per episode
  PERI_WATCH_RECOVERED,  // it turns again after having been reported
  PERI_WATCH_STALLED,    // end the process
} peri_watch_advice;

void peri_watch_init(peri_watch *watch, uint64_t turns, uint64_t now_ms);
peri_watch_advice peri_watch_tick(peri_watch *watch, const peri_watch_limits *limits,
                                  uint64_t turns, uint64_t now_ms);
