// SPDX-License-Identifier: MIT
// The table through which C takes time and randomness, so that a simulator can replace both.
// `peri_env` is set once before any loop starts; the default reads the system.
#pragma once
#include <stdint.h>

#include "base/clock_ffi.h"

typedef struct peri_env_ops {
  uint64_t (*hrtime)(void);    // ns, monotonic, arbitrary start
  uint64_t (*walltime)(void);  // ms since 1970-01-01 UTC
  uint64_t (*seed)(void);      // 64 random bits from the system, for seeding generators
} peri_env_ops;

extern const peri_env_ops *peri_env;

// Wall clock at which this process first asked, which is when its first VM began: its age is what
// consumers with a slow start go by. Any thread.
uint64_t peri_started_ms(void);

// A small fast generator, one per owner; not for secrets.
typedef struct peri_random {
  uint64_t s[2];
} peri_random;

void peri_random_init(peri_random *random, uint64_t seed);
uint64_t peri_random_next(peri_random *random);
// Uniform in [0, bound); bound > 0.
uint32_t peri_random_below(peri_random *random, uint32_t bound);
// Uniform in [0, 1).
double peri_random_unit(peri_random *random);
