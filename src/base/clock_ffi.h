// SPDX-License-Identifier: MIT
// Measuring from compiled Lua.
#pragma once

#pragma GCC visibility push(default)
/* FFI-BEGIN */
// Milliseconds of peri_env->hrtime, with fraction.
double peri_clock_hrtime_ms(void);
/* FFI-END */
#pragma GCC visibility pop
