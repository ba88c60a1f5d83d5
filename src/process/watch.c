// SPDX-License-Identifier: MIT
#include "process/watch.h"

void peri_watch_init(peri_watch *watch, uint64_t turns, uint64_t now_ms) {
  *watch = (peri_watch){.turns = turns, .changed_ms = now_ms};
}

static peri_watch_advice turned(peri_watch *watch, uint64_t turns, uint64_t now_ms) {
  bool was_stuck = watch->stuck;
  peri_watch_init(watch, turns, now_ms);
  return was_stuck ? PERI_WATCH_RECOVERED : PERI_WATCH_NOTHING;
}

peri_watch_advice peri_watch_tick(peri_watch *watch, const peri_watch_limits *limits,
                                  uint64_t turns, uint64_t now_ms) {
  if (turns != watch->turns) {
    return turned(watch, turns, now_ms);
  }
  uint64_t still = now_ms - watch->changed_ms;
  if (watch->pinged_ms == 0) {
    if (still < limits->ping_ms) {
      return PERI_WATCH_NOTHING;
    }
    watch->pinged_ms = now_ms;
    return PERI_WATCH_PING;
  }
  // A loop idle for an hour is not stuck: only the time it owes us an answer counts.
  uint64_t owed = now_ms - watch->pinged_ms;
  if (limits->stall_ms != 0 && owed + limits->ping_ms >= limits->stall_ms) {
    return PERI_WATCH_STALLED;
  }
  if (!watch->stuck && owed + limits->ping_ms >= limits->stuck_ms) {
    watch->stuck = true;
    return PERI_WATCH_STUCK;
  }
  return PERI_WATCH_NOTHING;
}
