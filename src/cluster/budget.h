// SPDX-License-Identifier: MIT
// Retry budgets: what keeps a failing service from being finished off by its callers' retries. One
// token bucket per service and process, filled by a share of the calls and a few per second. Calls
// are counted by each VM and handed in when a retry is asked for, so that a call that succeeds
// touches nothing shared.
#pragma once
#include "cluster/node_ffi.h"

// The same with the time (ms) given, for specs and replay.
bool peri_budget_take_at(peri_budget *budget, double calls, double now);
