// SPDX-License-Identifier: MIT
// A buffer that each thread keeps for text in transit, so that a decoder owns nothing while it
// calls a sink. Its content is good until the next call on the same thread.
#pragma once
#include "base/buf.h"

// Returns borrowed, empty, freed when the thread ends. A buffer that grew large is given back
// first.
peri_buf *peri_scratch_get(void);
