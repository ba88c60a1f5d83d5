// SPDX-License-Identifier: MIT
// The timer node that owners embed. It is declared here, below the wheel that fires it, so that
// futures can carry a deadline without knowing the transport layer.
#pragma once
#include <stdint.h>

#include "base/list.h"

typedef struct peri_timer peri_timer;
typedef void (*peri_timer_fn)(peri_timer *timer);

// Embedded by its owner; zero-initialise (or peri_timer_init) before the first use.
struct peri_timer {
  peri_list link;  // next == NULL or self-linked while not armed
  uint64_t due;    // ms on the wheel's clock
  peri_timer_fn fire;
};
