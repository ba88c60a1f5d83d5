// SPDX-License-Identifier: MIT
// Counting from compiled Lua: a hot leaf.
#pragma once
#include <stdint.h>

#pragma GCC visibility push(default)
/* FFI-BEGIN */
// Adds to the calling thread's share of a metric. 0 swallows counts.
void peri_metric_add(uint32_t metric, int64_t by);
/* FFI-END */
#pragma GCC visibility pop
