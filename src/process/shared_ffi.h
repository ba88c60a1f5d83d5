// SPDX-License-Identifier: MIT
// The step of a rate limit, from compiled Lua.
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct peri_shared;

#pragma GCC visibility push(default)
/* FFI-BEGIN */
// One atomic step of a rate limit, the "generic cell rate algorithm": calls are due `interval` ms
// apart, `burst` of them may come early. Returns the ms (>= 0) after which this one may go on, at
// most `max_wait`, having counted it; or a negative number, nothing counted, whose absolute value is
// the ms after which to try again. A key nobody used for long is as good as new and takes no memory.
// `now` in ms with fraction. When the store is full of what has not expired, the oldest is thrown
// out, unless `keep`: then NAN. NAN also: the key is too long, or no such bucket but a value.
// `interval` > 0, `burst` >= 1, `cost` (calls this one counts for) > 0, `max_wait` >= 0.
double peri_shared_take(struct peri_shared *shared, const char *key, size_t key_len,
                        double interval, double burst, double cost, double max_wait, bool keep,
                        double now);
/* FFI-END */
#pragma GCC visibility pop
