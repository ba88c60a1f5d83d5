// SPDX-License-Identifier: MIT
// Definitions that a thread has met before, by their bytes: one comparison stands for reading the
// names, and what was made of them can be kept by whoever is told of the shape.
#include "base/mem.h"
#include "protocol/serializer/hessian2/read.h"

static uint64_t word(const uint8_t *at, size_t left) {
  uint64_t bits = 0;
  memcpy(&bits, at, left < 8 ? left : 8);
  return bits;
}

static uint64_t mix(uint64_t hash, uint64_t bits) {
  hash = (hash ^ bits) * 0x9E3779B97F4A7C15u;
  return hash ^ hash >> 32;
}

// By where classes differ: the end of the name and the count.
static size_t place(const uint8_t *at, const uint8_t *end) {
  size_t left = (size_t)(end - at);
  size_t name = left > 1 && at[1] < 0x20 ? at[1] : 0;
  size_t tail = name >= 6 ? name - 6 : 0;
  return left < tail + 8 || left < name + 3
             ? 0
             : mix(at[name + 2], word(at + tail, 8)) % HESSIAN_LEARNED;
}

static bool same(const hessian_learned *known, const peri_hessian_reader *r) {
  return known != NULL && known->len <= peri_hessian_left(r) &&
         known->longest <= r->limits.string && memcmp(known->bytes, r->at, known->len) == 0;
}

int peri_hessian_recall(peri_hessian_reader *r, hessian_tables *t) {
  hessian_learned *known = t->learned[place(r->at, r->end)];
  if (!same(known, r)) {
    return 0;
  }
  if (!peri_hessian_add_def(t, &known->def)) {
    return peri_hessian_over_tables(r);
  }
  hessian_def *def = &t->defs[t->def_count - 1];
  def->name.ptr = r->at + (def->name.ptr - known->bytes);
  def->at = r->at;
  known->round = t->round;
  r->at += known->len;
  int rc = peri_hessian_charge(r, 1 + (uint64_t)def->count, 0);
  return rc != 0 ? rc : 1;
}

static bool fits(const hessian_tables *t, const hessian_def *def, size_t len) {
  bool plain = def->role.cast == PERI_CAST_NONE && def->role.name == NULL;
  return plain && len <= HESSIAN_LEARNED_BYTES && def->count <= PERI_SHAPE_FIELDS &&
         def->first + def->count == t->field_count && def->name.len != 0;
}

static peri_bytes moved(hessian_learned *known, peri_bytes name, const uint8_t *start) {
  known->longest = name.len > known->longest ? (uint32_t)name.len : known->longest;
  return (peri_bytes){known->bytes + (name.ptr - start), name.len};
}

static void fill(hessian_learned *known, const hessian_tables *t, const hessian_def *def,
                 const uint8_t *start, size_t len) {
  memcpy(known->bytes, start, len);
  known->len = (uint32_t)len;
  known->longest = 0;
  known->round = t->round;
  known->def = *def;
  known->def.name = moved(known, def->name, start);
  known->def.first = UINT32_MAX;
  known->def.learned = known;
  for (uint32_t i = 0; i < def->count; i++) {
    known->fields[i] = moved(known, t->fields[def->first + i], start);
  }
  known->shape = (peri_shape){peri_shape_id(), known->def.name, def->count, known->fields};
}

void peri_hessian_learn(hessian_tables *t, const uint8_t *start, const uint8_t *end) {
  const hessian_def *def = &t->defs[t->def_count - 1];
  size_t len = (size_t)(end - start);
  if (!fits(t, def, len)) {
    return;
  }
  uint64_t hash = len;
  for (size_t i = 0; i < len; i += 8) {
    hash = mix(hash, word(start + i, len - i));
  }
  size_t at = place(start, start + len);
  hessian_learned *known = t->learned[at];
  if (t->candidates[at] != hash || (known != NULL && known->round == t->round)) {
    t->candidates[at] = hash;
    return;
  }
  if (known == NULL) {
    known = t->learned[at] = peri_malloc(sizeof *known);
  }
  fill(known, t, def, start, len);
}

int peri_hessian_spread(peri_hessian_reader *r, hessian_tables *t, hessian_def *def) {
  const hessian_learned *known = def->learned;
  if (known == NULL || def->first != UINT32_MAX) {
    return 0;
  }
  def->first = t->field_count;
  for (uint32_t i = 0; i < def->count; i++) {
    peri_bytes name = known->fields[i];
    name.ptr = def->at + (name.ptr - known->bytes);
    if (!peri_hessian_add_field(t, name)) {
      return peri_hessian_over_tables(r);
    }
  }
  return 0;
}
