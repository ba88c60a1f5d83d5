// SPDX-License-Identifier: MIT
// Whether loops of this process share a core: one asks, and another one asked there lately. A hint,
// for threads may be moved at any time.
#pragma once
#include <stdbool.h>
#include <stdint.h>

// Any thread. `who` is the address of the loop that asks (only compared), `now_ns` the clock of its
// turn. True when on this core askers took turns within the last PERI_SHARE_NS; also for as long
// after `who` itself was first seen here.
bool peri_share_has_company(const void *who, uint64_t now_ns);

enum { PERI_SHARE_NS = 20000000 };
