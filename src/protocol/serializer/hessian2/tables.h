// SPDX-License-Identifier: MIT
// The tables that a thread keeps for the one body it reads and the one it writes: classes, their
// fields, types of lists and maps, and (writing) the lists and maps that references may name. They
// are emptied when a body begins, and given back when they grew large.
#pragma once
#include "protocol/serializer/hessian2.h"
#include "protocol/serializer/hessian2/java.h"

typedef struct hessian_def {
  peri_bytes name;    // reading: a slice of the body; writing: offset and length in `text`
  uint32_t first;     // of fields
  uint32_t count;     // of fields
  uint64_t hash;      // writing: of name and fields
  hessian_role role;  // reading: what the class stands for
  const struct hessian_learned *learned;  // reading: what is known of it, with its fields; or NULL
  const uint8_t *at;                      // learned: where it lies in the body
} hessian_def;

enum { HESSIAN_LEARNED = 64, HESSIAN_LEARNED_BYTES = 2048 };

// A definition that came before, byte by byte.
typedef struct hessian_learned {
  uint64_t round;  // of the last body that has it
  uint32_t len;
  uint32_t longest;  // of its names
  hessian_def def;   // all but the places in a body
  peri_shape shape;  // the names lie in `bytes`
  peri_bytes fields[PERI_SHAPE_FIELDS];
  uint8_t bytes[HESSIAN_LEARNED_BYTES];
} hessian_learned;

typedef struct hessian_identity {
  const void *what;
  uint32_t number;
  uint32_t round;  // of the tables; another one means empty
} hessian_identity;

// A class as it was defined last time, in this or an earlier body of the thread.
typedef struct hessian_known {
  uint64_t serial;  // of this content
  uint64_t round;   // of the tables when it was defined
  uint32_t number;  // then
  uint32_t count;   // of fields
  uint32_t len;     // of the definition
  uint32_t name_len;
  uint32_t names;     // length of all names
  uint16_t lens[64];  // of the fields
  char text[2048];    // name, fields, definition
} hessian_known;

enum { HESSIAN_KNOWN = 64, HESSIAN_KNOWN_FIELDS = 64, HESSIAN_KNOWN_TEXT = 2048 };

// The known class that objects of a shape have.
typedef struct hessian_shaped {
  uint64_t id;  // of the shape
  uint8_t flavour;
  hessian_known *known;
  uint64_t serial;  // which it must have
} hessian_shaped;

enum { HESSIAN_SHAPED = 128 };

typedef struct hessian_tables {
  uint64_t stamp;  // of the body that uses them
  hessian_def *defs;
  uint32_t def_count, def_cap;
  peri_bytes *fields;
  uint32_t field_count, field_cap;
  peri_bytes *types;
  uint32_t type_count, type_cap;
  // Writing only.
  peri_buf text;  // names; `ptr` of a name is an offset into it
  hessian_identity *seen;
  uint32_t seen_count, seen_cap, round;
  uint32_t *labels;  // of a source being transcoded -> ours
  uint32_t label_count, label_cap;
  hessian_known *known[HESSIAN_KNOWN];
  // Reading only.
  hessian_learned *learned[HESSIAN_LEARNED];
  uint64_t candidates[HESSIAN_LEARNED];  // hashes of definitions that came once
  uint64_t known_serial;
  hessian_shaped shaped[HESSIAN_SHAPED];
  uint32_t number;       // lists, maps and objects begun
  const peri_buf *kept;  // a body that goes on at its end
  size_t kept_at;
  bool kept_open;  // and its next list or map has no head of its own
} hessian_tables;

hessian_tables *peri_hessian_reading(void);
hessian_tables *peri_hessian_writing(void);
// Empties the tables for a new body and returns its stamp.
uint64_t peri_hessian_tables_begin(hessian_tables *tables);

// Appends; false when the limits of hessian2.h are reached.
bool peri_hessian_add_def(hessian_tables *tables, const hessian_def *def);
bool peri_hessian_add_field(hessian_tables *tables, peri_bytes name);
bool peri_hessian_add_type(hessian_tables *tables, peri_bytes name);

// The number under which `what` was added before; otherwise adds it as `number` and returns it.
uint32_t peri_hessian_number_of(hessian_tables *tables, const void *what, uint32_t number);
// `what` has no number after all.
void peri_hessian_forget(hessian_tables *tables, const void *what);
// Notes that number `label` of a source is our `number`.
void peri_hessian_set_label(hessian_tables *tables, uint32_t label, uint32_t number);
// Copies a name into `text`; the result's ptr is an offset.
peri_bytes peri_hessian_keep_name(hessian_tables *tables, const char *name, size_t len);
static inline const char *peri_hessian_name(const hessian_tables *tables, peri_bytes kept) {
  return (const char *)tables->text.data + (uintptr_t)kept.ptr;
}
