// SPDX-License-Identifier: MIT
// What the parts of the reader share: heads and scalars at reader->at. Every function checks the
// bytes that are left before it reads them.
#pragma once
#include "protocol/serializer/hessian2/tables.h"
#include "protocol/serializer/utf8.h"

int peri_hessian_bad(peri_hessian_reader *r, const char *what);
int peri_hessian_truncated(peri_hessian_reader *r);
static inline size_t peri_hessian_left(const peri_hessian_reader *r) {
  return (size_t)(r->end - r->at);
}
extern const uint8_t peri_hessian_kinds[256];
static inline peri_hessian_kind peri_hessian_kind_of(uint8_t tag) {
  return (peri_hessian_kind)peri_hessian_kinds[tag];
}
// Whether this reader is the one that the thread's tables belong to.
int peri_hessian_mine(peri_hessian_reader *r, hessian_tables **tables);

// The value at `at`, whose kind was looked at before.
int peri_hessian_take_int(peri_hessian_reader *r, int32_t *value);
int peri_hessian_take_long(peri_hessian_reader *r, int64_t *value);
int peri_hessian_take_double(peri_hessian_reader *r, double *value);
int peri_hessian_take_date(peri_hessian_reader *r, int64_t *ms);
// What names and fields mostly are: short and ASCII. False, and nothing taken, for all else.
static inline bool peri_hessian_take_plain(peri_hessian_reader *r, peri_bytes *text) {
  size_t len = *r->at;
  const uint8_t *p = r->at + 1;
  if (len >= 0x20 || len >= peri_hessian_left(r) || len > r->limits.string) {
    return false;
  }
  if (!peri_utf8_is_ascii(p, len)) {
    return false;
  }
  *text = (peri_bytes){p, len};
  r->at = p + len;
  return true;
}
// Borrowed from the body, or from the scratch buffer.
int peri_hessian_take_string(peri_hessian_reader *r, peri_bytes *text);
int peri_hessian_take_bytes(peri_hessian_reader *r, peri_bytes *data);
// A name: like a string, but always borrowed from the body; what cannot be is refused.
int peri_hessian_take_name(peri_hessian_reader *r, peri_bytes *name);
// An int where the grammar wants one: counts and numbers of classes, types and references.
int peri_hessian_take_count(peri_hessian_reader *r, uint32_t *count);

int peri_hessian_over_elements(peri_hessian_reader *r);
// Takes `count` from the budget of elements, which the input must be able to carry.
static inline int peri_hessian_charge(peri_hessian_reader *r, uint64_t count, uint64_t bytes) {
  if (count > r->elements) {
    return peri_hessian_over_elements(r);
  }
  if (bytes > peri_hessian_left(r)) {
    return peri_hessian_truncated(r);
  }
  r->elements -= (uint32_t)count;
  return 0;
}
// A definition that was learned, at the 'C' it begins with: adds it to the tables and moves past it.
// 1 when there was one, 0 when it must be read, or negative.
int peri_hessian_recall(peri_hessian_reader *r, hessian_tables *t);
// Learns the definition just added, which began at `start`, when it comes for the second time.
void peri_hessian_learn(hessian_tables *t, const uint8_t *start, const uint8_t *end);
// Puts the fields of a learned class into the table of fields, where they are not yet.
int peri_hessian_spread(peri_hessian_reader *r, hessian_tables *t, hessian_def *def);
int peri_hessian_over_tables(peri_hessian_reader *r);
// Reads class definitions up to the head of an object, and that; sets its class, which is borrowed
// until the next one is read, and moves past it.
int peri_hessian_take_object(peri_hessian_reader *r, hessian_tables *t, hessian_def **def);
// The head of a list or map. An untyped one has an empty type.
int peri_hessian_take_list(peri_hessian_reader *r, hessian_tables *t, peri_bytes *type,
                           size_t *count);
int peri_hessian_take_map(peri_hessian_reader *r, hessian_tables *t, peri_bytes *type);
