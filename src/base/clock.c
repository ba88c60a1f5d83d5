// SPDX-License-Identifier: MIT
// The generator is xoroshiro128+ by Blackman and Vigna, seeded through splitmix64, as its authors
// recommend (https://prng.di.unimi.it).
#include "base/clock.h"

#include <stdatomic.h>
#include <sys/random.h>
#include <time.h>

static uint64_t system_hrtime(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t system_walltime(void) {
  struct timespec ts;
  clock_gettime(CLOCK_REALTIME, &ts);
  return (uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u;
}

static uint64_t system_seed(void) {
  uint64_t seed;
  if (getrandom(&seed, sizeof seed, 0) != (long)sizeof seed) {
    seed = system_hrtime();
  }
  return seed;
}

static const peri_env_ops system_env = {system_hrtime, system_walltime, system_seed};
const peri_env_ops *peri_env = &system_env;

static uint64_t splitmix(uint64_t *state) {
  uint64_t z = (*state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static inline uint64_t rotl(uint64_t x, int k) {
  return x << k | x >> (64 - k);
}

uint64_t peri_started_ms(void) {
  static _Atomic uint64_t started;
  uint64_t known = 0;
  uint64_t now = peri_env->walltime();
  return atomic_compare_exchange_strong(&started, &known, now) ? now : known;
}

void peri_random_init(peri_random *random, uint64_t seed) {
  random->s[0] = splitmix(&seed);
  random->s[1] = splitmix(&seed);
}

uint64_t peri_random_next(peri_random *random) {
  uint64_t s0 = random->s[0];
  uint64_t s1 = random->s[1];
  uint64_t result = s0 + s1;
  s1 ^= s0;
  random->s[0] = rotl(s0, 24) ^ s1 ^ (s1 << 16);
  random->s[1] = rotl(s1, 37);
  return result;
}

uint32_t peri_random_below(peri_random *random, uint32_t bound) {
  return (uint32_t)(((peri_random_next(random) >> 32) * bound) >> 32);
}

double peri_random_unit(peri_random *random) {
  return (double)(peri_random_next(random) >> 11) * 0x1p-53;
}

double peri_clock_hrtime_ms(void) {
  return (double)peri_env->hrtime() / 1e6;
}
