// SPDX-License-Identifier: MIT
// Reads the Java serialization stream (protocol version 5) as far as peers need it that negotiate in
// it: objects of plain fields, strings, HashMap, LinkedHashMap, ArrayList and the empty collections.
// Everything else is refused. Objects become maps of their fields with their class as type. Nothing
// is ever instantiated, and nothing is written in this form.
// Format: Java Object Serialization Specification, chapter 6.
#pragma once
#include "protocol/serializer.h"

enum {
  JAVA_HANDLES = 1024,  // strings, classes and objects of one stream
  JAVA_CLASSES = 64,
  JAVA_FIELDS = 256,  // of all classes
};

typedef enum java_kind {
  JAVA_PLAIN,
  JAVA_MAP,
  JAVA_LIST,
  JAVA_EMPTY_MAP,
  JAVA_EMPTY_LIST
} java_kind;

typedef struct java_field {
  peri_bytes name;
  char type;  // of the JVM descriptor: I J F Z B S C D L [
} java_field;

typedef struct java_class {
  peri_bytes name;
  uint8_t flags;
  java_kind kind;
  uint16_t first, count;  // of java_stream.fields
  int super;              // number of a class, -1 = none
} java_class;

typedef struct java_handle {
  enum { JAVA_OBJECT, JAVA_CLASS, JAVA_STRING } kind;
  int number;  // of the class
  peri_bytes text;
} java_handle;

typedef struct java_stream {
  const uint8_t *at, *end, *start;
  const peri_value_limits *limits;
  peri_sink *sink;
  peri_err *err;
  uint32_t elements;  // budget left
  uint32_t depth;
  uint16_t handle_count, class_count, field_count;
  java_handle handles[JAVA_HANDLES];
  java_class classes[JAVA_CLASSES];
  java_field fields[JAVA_FIELDS];
} java_stream;

// PERI_EBAD_REQUEST with the offset.
int java_bad(java_stream *s, const char *what);
// Whether `n` more bytes are there.
bool java_has(const java_stream *s, size_t n);
// A string behind its tag or inside a class: u16 length and text, borrowed from the stream.
int java_text(java_stream *s, peri_bytes *text);
int java_add_handle(java_stream *s, java_handle handle);
// What a TC_REFERENCE (behind its tag) names; NULL when there is none.
const java_handle *java_reference(java_stream *s);

// class.c: the class descriptor at `at`; *number is -1 for null.
int java_read_class(java_stream *s, int *number);
