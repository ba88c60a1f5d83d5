// SPDX-License-Identifier: MIT
// The choosing kernels of node_ffi.h: leaf functions over an array of counters, one call per choice.
// A peri_balance is a VM's generator for them, seeded so that a run can be replayed.
#pragma once
#include "cluster/node_ffi.h"
