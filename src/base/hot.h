// SPDX-License-Identifier: MIT
// Hints for the compiler about what every call runs through: there, the registers that a function
// saves and restores cost more than what it does.
#pragma once

// Rarely called: kept out of line, and the branch to it is taken to be unlikely.
#define PERI_COLD __attribute__((noinline, cold))
// Called from one hot place, or from few.
#define PERI_INLINE inline __attribute__((always_inline))
