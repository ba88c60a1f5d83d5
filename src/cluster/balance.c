// SPDX-License-Identifier: MIT
#include "cluster/balance.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cluster/node.h"

struct peri_balance {
  peri_random random;
};

peri_balance *peri_balance_new(double seed) {
  peri_balance *balance = peri_malloc(sizeof *balance);
  uint64_t bits;
  memcpy(&bits, &seed, sizeof bits);
  peri_random_init(&balance->random, bits);
  return balance;
}

void peri_balance_free(peri_balance *balance) {
  free(balance);
}

uint32_t peri_balance_below(peri_balance *balance, uint32_t n) {
  return peri_random_below(&balance->random, n);
}

static double cube(double x) {
  return x * x * x;
}

// The odds are as the weights and as the cubes of the loads: equal nodes share as their weights say,
// one twice as slow gets an eighth, one fifty times as slow next to nothing. Taking the better one
// always would give everything to whoever leads by a microsecond.
uint32_t peri_balance_p2c(peri_balance *balance, peri_counters **list, uint32_t n) {
  if (n < 2) {
    return 0;
  }
  uint32_t a = peri_random_below(&balance->random, n);
  uint32_t b = peri_random_below(&balance->random, n - 1);
  b += b >= a;
  double now = peri_counters_now();
  double for_b = cube(peri_counters_load(list[a], now)) * list[b]->weight;
  double for_a = cube(peri_counters_load(list[b], now)) * list[a]->weight;
  return peri_random_unit(&balance->random) * (for_a + for_b) < for_b ? b : a;
}

uint32_t peri_balance_weighted(peri_balance *balance, peri_counters **list, uint32_t n) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < n; i++) {
    sum += list[i]->weight;
  }
  if (sum == 0) {
    return peri_random_below(&balance->random, n);
  }
  uint64_t left = (uint64_t)(peri_random_unit(&balance->random) * (double)sum);
  for (uint32_t i = 0; i < n; i++) {
    if (left < list[i]->weight) {
      return i;
    }
    left -= list[i]->weight;
  }
  return n - 1;
}

// Draws any node and keeps it as often as its weight is of the heaviest.
uint32_t peri_balance_drawn(peri_balance *balance, peri_counters **list, uint32_t n,
                            uint32_t heaviest) {
  for (int tries = 0; tries < 32; tries++) {
    uint32_t at = peri_random_below(&balance->random, n);
    if (peri_random_unit(&balance->random) * heaviest < list[at]->weight) {
      return at;
    }
  }
  return peri_balance_weighted(balance, list, n);
}

static double share_of(const peri_counters *counters) {
  return counters->weight > 0 ? counters->weight : 1;
}

// Is `a` less busy for its weight than `b`? Negative, 0 as strcmp. The call to come is not counted: with it the
// heaviest of idle nodes would get everything that a caller does one after the other.
static int compare(const peri_counters *a, const peri_counters *b) {
  double left = a->active * share_of(b);
  double right = b->active * share_of(a);
  return (left > right) - (left < right);
}

uint32_t peri_balance_least(peri_balance *balance, peri_counters **list, uint32_t n,
                            uint32_t tries) {
  if (n == 0) {
    return 0;
  }
  bool all = n <= tries;
  uint32_t best = all ? 0 : peri_random_below(&balance->random, n);
  double weight = share_of(list[best]);  // of those equal to the best so far
  for (uint32_t i = 1; i < (all ? n : tries); i++) {
    uint32_t at = all ? i : peri_random_below(&balance->random, n);
    if ((list[at]->weight == 0) != (list[best]->weight == 0)) {
      // One without weight gets something only where none has any.
      if (list[best]->weight == 0) {
        best = at;
        weight = share_of(list[at]);
      }
      continue;
    }
    int order = compare(list[at], list[best]);
    if (order < 0) {
      best = at;
      weight = share_of(list[at]);
    } else if (order == 0 && at != best) {
      weight += share_of(list[at]);
      if (peri_random_unit(&balance->random) * weight < share_of(list[at])) {
        best = at;
      }
    }
  }
  return best;
}

static double value_of(const peri_counters *counters, int32_t field, double now) {
  switch (field) {
  case 0: return counters->active;
  case 1: return counters->latency;
  case 2: return (double)counters->errors;
  case 3: return (double)counters->calls;
  default: return peri_counters_load(counters, now);
  }
}

uint32_t peri_balance_min(peri_balance *balance, peri_counters **list, uint32_t n, int32_t field) {
  double now = peri_counters_now();
  double best = value_of(list[0], field, now);
  uint32_t at = 0;
  uint32_t equals = 1;
  for (uint32_t i = 1; i < n; i++) {
    double value = value_of(list[i], field, now);
    if (value < best) {
      best = value;
      at = i;
      equals = 1;
    } else if (!(value > best) && peri_random_below(&balance->random, ++equals) == 0) {
      at = i;
    }
  }
  return at;
}
