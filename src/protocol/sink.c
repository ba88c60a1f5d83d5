// SPDX-License-Identifier: MIT
#include "protocol/sink.h"

#include <stdatomic.h>

uint64_t peri_shape_id(void) {
  static _Atomic uint64_t last;
  return atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
}
