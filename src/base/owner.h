// SPDX-License-Identifier: MIT
// The thread something belongs to. A loop, a table of slots, and what hangs on them (channels,
// connections, calls, futures, fibers) are one thread's and have no locks; debug builds remember
// which thread that is and stop at the first use from another one. With NDEBUG nothing is left of
// it.
#pragma once
#include "base/mem.h"

typedef struct peri_owner {
  const void *thread;  // NULL: of nobody yet
} peri_owner;

// What tells the calling thread from all others that live.
const void *peri_owner_self(void);

#ifdef NDEBUG
#define peri_owner_take(owner) ((void)(owner))
#define peri_owner_check(owner) ((void)(owner))
#else
// From here on it is the caller's: when it is made, and when it is handed over at rest.
#define peri_owner_take(owner) ((void)((owner)->thread = peri_owner_self()))
// What is nobody's yet may be used by everybody.
#define peri_owner_check(owner)                                                                    \
  peri_check((owner)->thread == NULL || (owner)->thread == peri_owner_self())
#endif
