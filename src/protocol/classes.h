// SPDX-License-Identifier: MIT
// Java classes as scripts declare them: enums with their constants, others with their fields in
// order. For serializations whose bytes name neither (protostuff), or do not tell an enum from an
// object (JSON). What is declared stays for the life of the process; a later declaration of the
// same name takes the place of the former, which those who read it at this moment may still use.
#pragma once
#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

typedef enum peri_java_kind {
  PERI_JAVA_ANY,      // says itself what it is: Object, interfaces
  PERI_JAVA_BOOLEAN,  // up to DATE: the numbers of protostuff's inline types
  PERI_JAVA_BYTE,
  PERI_JAVA_CHAR,
  PERI_JAVA_SHORT,
  PERI_JAVA_INT,
  PERI_JAVA_LONG,
  PERI_JAVA_FLOAT,
  PERI_JAVA_DOUBLE,
  PERI_JAVA_STRING,
  PERI_JAVA_BYTE_STRING,
  PERI_JAVA_BYTES,
  PERI_JAVA_DECIMAL,
  PERI_JAVA_BIGINT,
  PERI_JAVA_DATE,
  PERI_JAVA_CLASS,  // by name: whether an enum or an object says its declaration
  PERI_JAVA_LIST,
  PERI_JAVA_MAP,
  PERI_JAVA_ARRAY,
} peri_java_kind;

typedef struct peri_java_type {
  peri_java_kind kind;
  bool primitive;
  peri_bytes name;                // as Java calls it, without arguments and dimensions
  struct peri_java_type *first;   // of the elements, or the keys; NULL = ANY
  struct peri_java_type *second;  // of the values of a map
} peri_java_type;

typedef struct peri_class {
  peri_bytes name;
  peri_java_type self;  // as the type of a value: CLASS
  bool is_enum;
  uint32_t count;
  const peri_bytes *names;      // of constants or fields, in order
  const peri_java_type *types;  // of fields
  const peri_bytes *texts;      // of these types, as they were written
} peri_class;

enum { PERI_CLASSES_MAX = 8192, PERI_CLASS_FIELDS_MAX = 1024 };

// Declares a class; everything is copied. An enum has no `types`. Any thread. Returns 0,
// PERI_ECONFIG for a type that cannot be read (the text is in `err`), or PERI_ELIMITED.
int peri_class_declare(peri_bytes name, uint32_t count, const peri_bytes *names,
                       const peri_bytes *types, peri_err *err);
// NULL when nobody declared it. Any thread; good for the life of the process.
const peri_class *peri_class_find(peri_bytes name);
// What stands behind the '[' in the class of an array, as Hessian calls it ('[string'), as Java calls it
// elsewhere, and the reverse. Other names as they are.
peri_bytes peri_java_component(peri_bytes name);
peri_bytes peri_hessian_component(peri_bytes name);
// The place of a constant or field, negative when there is none.
int peri_class_index(const peri_class *class, peri_bytes name);
