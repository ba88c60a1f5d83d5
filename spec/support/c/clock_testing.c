// SPDX-License-Identifier: MIT
// A clock that only moves when a spec says so.
#include <stdbool.h>
#include <stddef.h>

#include "base/clock.h"

void peri_test_clock(bool fake);
void peri_test_clock_advance(uint64_t ms);

// Read by the thread of the logger too.
static _Atomic uint64_t start_ns;
static _Atomic uint64_t now_ns;

static uint64_t fake_hrtime(void) {
  return now_ns;
}

static uint64_t fake_walltime(void) {
  return 1767323045678u + (now_ns - start_ns) / 1000000u;  // begins at 2026-01-02T03:04:05.678Z
}

static uint64_t fake_seed(void) {
  return 42;
}

// Installs the fake clock, which stands where the real one is, or puts the real one back.
void peri_test_clock(bool fake) {
  static const peri_env_ops fakes = {fake_hrtime, fake_walltime, fake_seed};
  static const peri_env_ops *real;
  if (real == NULL) {
    real = peri_env;
  }
  peri_env = fake ? &fakes : real;
  start_ns = now_ns = real->hrtime();
}

void peri_test_clock_advance(uint64_t ms) {
  now_ns += ms * 1000000u;
}
