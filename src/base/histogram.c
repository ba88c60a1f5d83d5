// SPDX-License-Identifier: MIT
#include "base/histogram.h"

void peri_histogram_fade(peri_histogram *histogram) {
  for (uint32_t i = 0; i < PERI_HISTOGRAM_BUCKETS; i++) {
    histogram->count[i] /= 2;
  }
}

double peri_histogram_middle(uint32_t bucket) {
  if (bucket < 16) {
    return bucket;
  }
  uint32_t shift = bucket / 8 - 1;
  double first = (double)((uint64_t)(bucket - shift * 8) << shift);
  return first + ((double)(1u << shift) - 1) / 2;
}
