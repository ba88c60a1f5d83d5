// SPDX-License-Identifier: MIT
// Values as a text that is the same for equal values and another for different ones, whatever the
// order of a map's entries: what caches find answers by, and what is signed. Numbers are the
// fewest digits that name them, strings have their length in front, a table its number of entries,
// sorted by key. Classes, boxes and whether a table is a list make no difference; in a map null is
// absence, but under a number.
#pragma once
#include "protocol/sink.h"

// An open table.
typedef struct peri_canonical_frame {
  size_t start;    // where it begins in the text
  size_t entries;  // how many of open tables lie before its own
  size_t items;    // of a list, so far
  bool list;
  bool keyed;  // the next value is a key
} peri_canonical_frame;

typedef struct peri_canonical {
  peri_buf *out;
  size_t limit;
  uint32_t depth;
  uint32_t max_depth;
  peri_buf entries;  // of the maps that are open
  peri_canonical_frame frames[PERI_VALUE_DEPTH_MAX + 1];
} peri_canonical;

// Appends each value that `sink` is given to `out`, which is borrowed until fini. A value that
// makes `out` longer than `limit` bytes, or is nested deeper than `depth` tables (at most
// PERI_VALUE_DEPTH_MAX), is PERI_ETOO_BIG; after a failure only fini may follow, and what was added
// is no text. The producer says how long a list is.
void peri_canonical_init(peri_canonical *canonical, peri_buf *out, size_t limit, uint32_t depth,
                         peri_sink *sink);
void peri_canonical_fini(peri_canonical *canonical);
