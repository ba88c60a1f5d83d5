// SPDX-License-Identifier: MIT
// How values are distributed, in little memory: buckets that are exact below 16 and at most an
// eighth of their value wide above, up to 2^27. Old values fade: when a bucket is full, the counts
// of all are halved. Adding touches one line of the cache. One thread.
#pragma once
#include <stdint.h>

enum { PERI_HISTOGRAM_BUCKETS = 200 };

// Zero-initialise.
typedef struct peri_histogram {
  uint16_t count[PERI_HISTOGRAM_BUCKETS];
} peri_histogram;

#define PERI_HISTOGRAM_MOST ((1u << 27) - 1)  // larger values count as this

void peri_histogram_fade(peri_histogram *histogram);

static inline uint32_t peri_histogram_bucket(uint64_t value) {
  uint32_t v = value < PERI_HISTOGRAM_MOST ? (uint32_t)value : PERI_HISTOGRAM_MOST;
  uint32_t top = 31u - (uint32_t)__builtin_clz(v | 8u);  // the highest bit, at least the fourth
  uint32_t shift = top - 3u;
  // The three bits below the highest one choose among the eight buckets of its octave.
  return (v >> shift) + shift * 8u;
}

static inline void peri_histogram_add(peri_histogram *histogram, uint64_t value) {
  if (__builtin_expect(++histogram->count[peri_histogram_bucket(value)] == UINT16_MAX, 0)) {
    peri_histogram_fade(histogram);
  }
}

// The middle of a bucket.
double peri_histogram_middle(uint32_t bucket);
