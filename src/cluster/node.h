// SPDX-License-Identifier: MIT
// Nodes: process-wide state by address and the counters each VM keeps. The functions are those of
// node_ffi.h; this header adds what only C needs.
#pragma once
#include "cluster/node_ffi.h"

// Milliseconds after which a latency nobody confirmed has lost 63 % of its weight.
#define PERI_LATENCY_DECAY_MS 5000.0
// Differences far below this are noise and must not decide: it is added to every latency compared.
#define PERI_LATENCY_FLOOR_MS 1.0

// The same as peri_counters_begin and peri_counters_done for who knows the time (ms) already.
void peri_counters_begin_at(peri_counters *counters);
void peri_counters_done_at(peri_counters *counters, double began, double now, bool failed);
// Does an attempt that ended with `code` (PERI_E*) speak against the node rather than the call?
bool peri_node_fault(int code);
