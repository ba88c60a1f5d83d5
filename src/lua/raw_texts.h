// SPDX-License-Identifier: MIT
// Short strings that come again and again (names of states, currencies, keys), found by their bytes
// and pushed without asking the VM's table of all strings, which takes three times as long. A
// string is kept from the second time in a row on that it comes to its place.
#pragma once
#include <string.h>

#include "lua/raw.h"

enum { PERI_TEXTS = 128, PERI_TEXT_MAX = 31 };

// The first and the last bytes of a string, eight of each at most: all of it up to 16.
typedef struct peri_raw_ends {
  uint64_t first;
  uint64_t last;
} peri_raw_ends;

typedef struct peri_raw_texts {
  int kept;  // reference of a list, by which the collector finds the strings
  struct {
    peri_raw_ends ends;
    peri_raw value;
    uint32_t len;        // 0 = nothing is kept here
    uint32_t candidate;  // hash of the last one that was not found here
  } rows[PERI_TEXTS];
} peri_raw_texts;

// May raise a memory error.
void peri_raw_texts_init(lua_State *L, peri_raw_texts *texts);

// Pushes a string that is not kept and may keep it. May raise a memory error.
void peri_raw_texts_miss(lua_State *L, peri_raw_texts *texts, uint32_t hash, const char *text,
                         size_t len);

static inline peri_raw_ends peri_raw_ends_of(const char *text, size_t len) {
  peri_raw_ends ends = {0, 0};
  if (len >= 8) {
    memcpy(&ends.first, text, 8);
    memcpy(&ends.last, text + len - 8, 8);
  } else if (len >= 4) {
    memcpy(&ends.first, text, 4);
    memcpy(&ends.last, text + len - 4, 4);
  } else {
    ends.first = (uint8_t)text[0];
    ends.last = (uint64_t)(uint8_t)text[len / 2] << 8 | (uint8_t)text[len - 1];
  }
  return ends;
}

// Pushes a string of 1 to PERI_TEXT_MAX bytes. May raise a memory error.
static inline void peri_raw_texts_push(lua_State *L, peri_raw_texts *texts, const char *text,
                                       size_t len) {
  peri_raw_ends ends = peri_raw_ends_of(text, len);
  uint64_t mixed = (ends.first ^ (ends.last << 7 | ends.last >> 57)) + len;
  uint32_t hash = (uint32_t)(mixed * 0x9E3779B97F4A7C15u >> 32);
  uint32_t at = hash >> 25;  // PERI_TEXTS rows: the upper bits are mixed best
  if (texts->rows[at].len == len && texts->rows[at].ends.first == ends.first &&
      texts->rows[at].ends.last == ends.last &&
      (len <= 16 ||
       memcmp(peri_raw_to_string(texts->rows[at].value)->text + 8, text + 8, len - 16) == 0)) {
    peri_raw_push(L, texts->rows[at].value);
  } else {
    peri_raw_texts_miss(L, texts, hash, text, len);
  }
}
