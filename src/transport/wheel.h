// SPDX-License-Identifier: MIT
// A hierarchical timer wheel: arming and cancelling are a few list operations, whatever the number
// outstanding (Varghese and Lauck, 1987). One tick is a millisecond. A timer fires at the first
// tick at or after its due time, never before it; timers due at the same tick fire in the order in
// which they were armed. One thread.
#pragma once
#include <stdint.h>

#include "base/timer_defs.h"

typedef struct peri_wheel peri_wheel;

// Returns owned. `now_ms` is the wheel's clock from here on.
peri_wheel *peri_wheel_new(uint64_t now_ms);
// Timers still armed are forgotten, not fired. NULL is allowed.
void peri_wheel_free(peri_wheel *wheel);

void peri_timer_init(peri_timer *timer, peri_timer_fn fire);
// Arms or re-arms `timer` to fire `delay_ms` after the wheel's present time, at the next tick at the
// earliest (0 means 1). It stays in the caller's memory and must be cancelled before that memory
// goes. A delay beyond the clock's range is the end of the clock.
void peri_wheel_arm(peri_wheel *wheel, peri_timer *timer, uint64_t delay_ms);
// Idempotent. Returns 1 if the timer was armed.
int peri_wheel_cancel(peri_wheel *wheel, peri_timer *timer);
// Moves the clock and fires what is due, tick by tick: inside `fire` the wheel's time is the tick
// that fires. Timers may be armed and cancelled from inside. A clock that does not go forward fires
// nothing. Returns the count fired.
unsigned peri_wheel_advance(peri_wheel *wheel, uint64_t now_ms);
// ms until the next armed timer may be due (a lower bound, at least 1), UINT64_MAX when none is.
uint64_t peri_wheel_next(const peri_wheel *wheel);
uint32_t peri_wheel_count(const peri_wheel *wheel);
uint64_t peri_wheel_now(const peri_wheel *wheel);
