// SPDX-License-Identifier: MIT
// What the parts of the encoder share.
#pragma once
#include "protocol/serializer/protostuff/wire.h"

typedef enum frame_kind {
  ROOT,
  ITEMS,     // values under number 1
  ARRAY,     // the same, in places: what is null cannot be left out before another
  REPEATED,  // values of a type under the number of a field
  ELEMENTS,  // values of a type under number 2, nulls counted
  ENTRIES,
  FIELDS,
  CONSTANT,  // an enum's: its name is to come
} frame_kind;

typedef struct frame {
  uint8_t kind;
  bool keyed;      // ENTRIES, FIELDS, CONSTANT: the key is written, its value is to come
  bool key_next;   // ENTRIES: the next value is a key
  bool bare;       // CONSTANT: the number alone, as a field
  uint32_t group;  // whose end tag closes it, 0 = none
  uint32_t first;  // FIELDS: of Throwable before the class' own
  uint32_t field;  // FIELDS, REPEATED: number of the next value
  uint32_t nulls;
  uint32_t dimensions, component_len;   // ARRAY: of arrays, whose innermost component stands in
  size_t component_at;                  // `out` from there on
  const peri_java_type *type;           // of the next value, NULL = ANY
  const peri_java_type *keys, *values;  // ENTRIES
  const peri_class *class;
} frame;

enum { DEPTH = 40 };

typedef struct encoder {
  peri_buf *out;
  peri_err *err;
  uint32_t depth, max_depth;
  peri_cast cast;
  bool args, dictionary, named;
  uint32_t name_len;
  char name[256];  // of the class of the list or map that follows
  frame frames[DEPTH + 1];
} encoder;

typedef struct scalar {
  enum { BOOLEAN, INTEGER, NUMBER, TEXT, BINARY } is;
  int64_t integer;
  double number;
  peri_bytes bytes;
} scalar;

int peri_protostuff_wrong(encoder *e, const char *what);
// Where the next value goes: its number (0 = nowhere, at the root) and type.
uint32_t peri_protostuff_place(frame *f, const peri_java_type **type);
// What stands in front of the next value and behind it.
int peri_protostuff_before(encoder *e);
void peri_protostuff_after(encoder *e);
int peri_protostuff_push(encoder *e, frame f);
// The class that was named for the list or map that begins, once.
peri_bytes peri_protostuff_take_name(encoder *e);
void peri_protostuff_put_number(peri_buf *out, uint32_t number, uint64_t value);
// What follows the tag of a scalar; false when it is none of this kind.
bool peri_protostuff_put_payload(encoder *e, peri_java_kind kind, const scalar *s);
int peri_protostuff_begin_list(encoder *e, size_t count);
int peri_protostuff_begin_map(encoder *e);
// Makes the field of that name the place of the next value.
int peri_protostuff_find_field(encoder *e, frame *f, peri_bytes name);
