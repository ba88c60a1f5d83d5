// SPDX-License-Identifier: MIT
// Judging happens only when an attempt failed, under the lock of the nodes, so that workers which see
// the same failure eject once. What is counted for it on success is one look at the streak.
#include <math.h>

#include "cluster/node_private.h"

static atomic_uint ejections;

uint32_t peri_node_ejections(void) {
  return atomic_load(&ejections);
}

static void totals(const peri_node *node, double *calls, double *errors) {
  uint64_t c = 0;
  uint64_t e = 0;
  for (const peri_counters *i = node->counters; i; i = i->next) {
    c += __atomic_load_n(&i->calls, __ATOMIC_RELAXED) -
         __atomic_load_n(&i->active, __ATOMIC_RELAXED);
    e += __atomic_load_n(&i->errors, __ATOMIC_RELAXED);
  }
  *calls = (double)c;
  *errors = (double)e;
}

// The window begins anew when it is over, with the failure that is being judged.
static bool fails_too_often(peri_node *node, const peri_outlier *rules, double now) {
  double calls;
  double errors;
  totals(node, &calls, &errors);
  if (now - node->window_began > rules->window || calls < node->window_calls) {
    node->window_began = now;
    node->window_calls = fmax(0, calls - 1);
    node->window_errors = fmax(0, errors - 1);
  }
  calls -= node->window_calls;
  errors -= node->window_errors;
  return rules->ratio > 0 && calls >= rules->minimum && errors >= calls * rules->ratio;
}

static double eject(peri_node *node, const peri_outlier *rules, double now) {
  // Good conduct is rewarded: for each `time` without an ejection one of them is forgotten.
  double calm = node->ejections > 0 ? floor((now - node->ejected_until) / rules->time) : 0;
  node->ejections = (uint32_t)fmax(0, node->ejections - fmax(0, calm)) + 1;
  double until = now + fmin(rules->time * node->ejections, rules->max_time);
  atomic_store(&node->ejected_until, until);
  atomic_store(&node->streak, 0);
  node->window_began = -HUGE_VAL;
  atomic_fetch_add(&ejections, 1);
  return until;
}

double peri_node_judge(peri_node *node, const peri_outlier *rules, double now) {
  double until = 0;
  peri_node_lock();
  if (!peri_node_ejected(node, now)) {
    bool often = fails_too_often(node, rules, now);
    bool streak = rules->consecutive > 0 && atomic_load(&node->streak) >= rules->consecutive;
    if (often || streak) {
      until = eject(node, rules, now);
    }
  }
  peri_node_unlock();
  return until;
}
