// SPDX-License-Identifier: MIT
// The insides of a node, for node.c and outlier.c only.
#pragma once
#include <stdatomic.h>

#include "cluster/node.h"

struct peri_node {
  peri_node *chain;         // same bucket
  peri_counters *counters;  // of all VMs, under the lock
  uint32_t refs;            // under the lock
  uint32_t ejections;       // so far, less those forgotten; under the lock
  double window_began;      // under the lock, as are its counts: totals when it began
  double window_calls;
  double window_errors;
  atomic_uint connected;
  atomic_uint streak;  // failures since the last success
  atomic_bool offline;
  _Atomic(double) ejected_until;
  char address[];
};

void peri_node_lock(void);
void peri_node_unlock(void);
