// SPDX-License-Identifier: MIT
// Whether a loop that is about to flush little output should poll once more first. A loop with few
// connections sees them in small rounds: two are served while the peer works on the other two. To
// send for each round wakes a peer that waits, which costs about as much as serving 25 calls; a
// look that finds the others ready makes one round of two. It may leave the loop with nothing to do
// afterwards, so it is for one that shares its core with another that has (transport/share.h).
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum {
  PERI_LOOK_FEW = 3,            // channels with output; more are a round worth sending
  PERI_LOOK_BRIEF_NS = 100000,  // longest turn whose output may wait for another one
  PERI_LOOK_MISSES = 6,         // in a row, after which one of 2^6 chances is taken
};

typedef struct peri_look {
  uint8_t held;    // channels whose output waits for this look, 0 = none does
  uint8_t misses;  // looks in a row that brought no further channel
  uint8_t skip;    // chances to pass by until the next one
} peri_look;

// At the end of a turn that left output on `channels` channels and might look, or has. Returns true
// when the output is to be kept over one poll that does not block, false when it is to be sent now.
// Never says true twice without a false between. Not to be called with 0 channels unless it held.
bool peri_look_hold(peri_look *look, uint32_t channels);
