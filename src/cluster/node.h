// SPDX-License-Identifier: MIT
// Nodes: process-wide state by address and the counters each VM keeps. The functions are those of
// node_ffi.h; this header adds what only C needs.
#pragma once
#include "cluster/node_ffi.h"

// Milliseconds after which a latency nobody confirmed has lost 63 % of its weight.
#define PERI_LATENCY_DECAY_MS 5000.0
// Differences far below this are noise and must not decide: it is added to every latency compared.
#define PERI_LATENCY_FLOOR_MS 1.0
