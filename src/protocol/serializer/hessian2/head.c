// SPDX-License-Identifier: MIT
// The heads of lists, maps and objects, with the tables of types and classes they lean on.
#include "base/limit.h"
#include "protocol/serializer/hessian2/read.h"

int peri_hessian_bad(peri_hessian_reader *r, const char *what) {
  return peri_fail(r->err, PERI_EBAD_REQUEST, "hessian2: %s at offset %zu", what,
                   (size_t)(r->at - r->start));
}

int peri_hessian_truncated(peri_hessian_reader *r) {
  r->at = r->end;
  return peri_hessian_bad(r, "input ends inside a value");
}

#define K(kind) PERI_HESSIAN_##kind
const uint8_t peri_hessian_kinds[256] = {
    [0x00 ... 0x1F] = K(STRING),
    [0x20 ... 0x2F] = K(BYTES),
    [0x30 ... 0x33] = K(STRING),
    [0x34 ... 0x37] = K(BYTES),
    [0x38 ... 0x3F] = K(LONG),
    ['A'] = K(BYTES),
    ['B'] = K(BYTES),
    ['C'] = K(OBJECT),
    ['D'] = K(DOUBLE),
    ['F'] = K(BOOLEAN),
    ['H'] = K(MAP),
    ['I'] = K(INT),
    [0x4A] = K(DATE),
    [0x4B] = K(DATE),
    ['L'] = K(LONG),
    ['M'] = K(MAP),
    ['N'] = K(NULL),
    ['O'] = K(OBJECT),
    ['Q'] = K(REF),
    ['R'] = K(STRING),
    ['S'] = K(STRING),
    ['T'] = K(BOOLEAN),
    [0x55 ... 0x58] = K(LIST),
    [0x59] = K(LONG),
    [0x5B ... 0x5F] = K(DOUBLE),
    [0x60 ... 0x6F] = K(OBJECT),
    [0x70 ... 0x7F] = K(LIST),
    [0x80 ... 0xD7] = K(INT),
    [0xD8 ... 0xFF] = K(LONG),
};
#undef K

int peri_hessian_mine(peri_hessian_reader *r, hessian_tables **tables) {
  *tables = peri_hessian_reading();
  return (*tables)->stamp == r->stamp
             ? 0
             : peri_fail(r->err, PERI_EINTERNAL, "hessian2: another body is being read");
}

int peri_hessian_over_elements(peri_hessian_reader *r) {
  peri_limit_hit(PERI_LIMIT_VALUE_ELEMENTS);
  return peri_fail(r->err, PERI_ETOO_BIG,
                   "hessian2: more elements than value_elements at offset %zu",
                   (size_t)(r->at - r->start));
}

int peri_hessian_over_tables(peri_hessian_reader *r) {
  return peri_fail(r->err, PERI_ETOO_BIG,
                   "hessian2: too many classes, fields or types at offset %zu",
                   (size_t)(r->at - r->start));
}

// JoyRPC calls a field of two handles otherwise than everybody else, Java included.
static void name_nanos(hessian_tables *t, const hessian_def *def) {
  for (uint32_t i = def->first; i < t->field_count && peri_hessian_has_nanos(def->role.name); i++) {
    if (peri_bytes_equal(t->fields[i], peri_bytes_of("nano"))) {
      t->fields[i] = peri_bytes_of("nanos");
    }
  }
}

static int take_definition(peri_hessian_reader *r, hessian_tables *t) {
  hessian_def def = {.first = t->field_count};
  const uint8_t *start = r->at++;
  int rc = peri_hessian_take_name(r, &def.name);
  rc = rc != 0 ? rc : peri_hessian_take_count(r, &def.count);
  rc = rc != 0 ? rc : peri_hessian_charge(r, 1 + (uint64_t)def.count, def.count);
  peri_bytes first = {NULL, 0};
  for (uint32_t i = 0; i < def.count && rc == 0; i++) {
    peri_bytes field;
    rc = peri_hessian_take_name(r, &field);
    first = i == 0 ? field : first;
    rc = rc != 0 || peri_hessian_add_field(t, field) ? rc : peri_hessian_over_tables(r);
  }
  if (rc == 0) {
    def.role = peri_hessian_role(def.name, def.count, first);
    name_nanos(t, &def);
    rc = peri_hessian_add_def(t, &def) ? 0 : peri_hessian_over_tables(r);
  }
  if (rc == 0) {
    peri_hessian_learn(t, start, r->at);
  }
  return rc;
}

int peri_hessian_take_object(peri_hessian_reader *r, hessian_tables *t, hessian_def **def) {
  while (r->at != r->end && *r->at == 'C') {
    int rc = peri_hessian_recall(r, t);
    rc = rc == 0 ? take_definition(r, t) : rc;
    if (rc < 0) {
      return rc;
    }
  }
  if (r->at == r->end) {
    return peri_hessian_truncated(r);
  }
  uint32_t number;
  int rc = 0;
  if (*r->at >= 0x60 && *r->at <= 0x6F) {
    number = *r->at++ - 0x60u;
  } else if (*r->at == 'O') {
    r->at++;
    rc = peri_hessian_take_count(r, &number);
  } else {
    return peri_hessian_bad(r, "an object is expected after a class definition");
  }
  if (rc != 0) {
    return rc;
  }
  if (number >= t->def_count) {
    return peri_hessian_bad(r, "no such class was defined before");
  }
  *def = &t->defs[number];
  r->number++;
  return peri_hessian_charge(r, (*def)->count, (*def)->count);
}

// The name of a type, or the number of one that was named before.
static int take_type(peri_hessian_reader *r, hessian_tables *t, peri_bytes *type) {
  if (r->at == r->end) {
    return peri_hessian_truncated(r);
  }
  if (peri_hessian_kind_of(*r->at) == PERI_HESSIAN_STRING) {
    int rc = peri_hessian_take_name(r, type);
    rc = rc != 0 ? rc : peri_hessian_charge(r, 1, 0);
    return rc != 0 || peri_hessian_add_type(t, *type) ? rc : peri_hessian_over_tables(r);
  }
  uint32_t number;
  int rc = peri_hessian_take_count(r, &number);
  if (rc != 0) {
    return rc;
  }
  if (number >= t->type_count) {
    return peri_hessian_bad(r, "no such type was named before");
  }
  *type = t->types[number];
  return 0;
}

int peri_hessian_take_list(peri_hessian_reader *r, hessian_tables *t, peri_bytes *type,
                           size_t *count) {
  uint8_t tag = *r->at++;
  int rc = 0;
  uint32_t known = tag & 7;
  *type = (peri_bytes){NULL, 0};
  if (tag == 0x55 || tag == 0x56 || (tag >= 0x70 && tag <= 0x77)) {
    rc = take_type(r, t, type);
  }
  if (rc == 0 && (tag == 0x56 || tag == 0x58)) {
    rc = peri_hessian_take_count(r, &known);
  }
  bool open = tag == 0x55 || tag == 0x57;
  *count = open ? PERI_COUNT_UNKNOWN : known;
  r->number++;
  return rc != 0 || open ? rc : peri_hessian_charge(r, known, known);
}

int peri_hessian_take_map(peri_hessian_reader *r, hessian_tables *t, peri_bytes *type) {
  *type = (peri_bytes){NULL, 0};
  r->number++;
  return *r->at++ == 'M' ? take_type(r, t, type) : 0;
}
