// SPDX-License-Identifier: MIT
// Hessian 2.0 for protocols: several values in one body, read and written one after another, with
// the tables of classes, types and references that the body's values share. The serializer
// `hessian2` (one value in a body) is made of the same parts.
//
// A reader and a writer use tables that their thread keeps, so that they own nothing: there is
// nothing to free, and a sink may leave by a Lua error. At most one reader and one writer is in use
// on a thread at a time; beginning another one ends it (its functions then return
// PERI_EINTERNAL). Strings are UTF-8 outside and UTF-16 units on the wire; a lone surrogate, which
// UTF-8 cannot carry, is refused.
#pragma once
#include "protocol/serializer.h"

// Whose names the private classes have that stand for Java's float, short, byte and java.time.
typedef enum peri_hessian_flavour {
  PERI_HESSIAN_JOYRPC,  // io.joyrpc.com.caucho.hessian.io.*
  PERI_HESSIAN_DUBBO,   // com.alibaba.com.caucho.hessian.io.*; float, short and byte travel plain
  PERI_HESSIAN_CAUCHO,  // com.caucho.hessian.io.*
} peri_hessian_flavour;

enum {
  PERI_HESSIAN_CLASSES_MAX = 4096,  // class definitions in one body
  PERI_HESSIAN_FIELDS_MAX = 65536,  // of all of them
  PERI_HESSIAN_TYPES_MAX = 4096,    // names of list and map types
};

// ---- reading ------------------------------------------------------------------------------------

typedef enum peri_hessian_kind {
  PERI_HESSIAN_BAD,  // no value begins with this byte, or there is none left
  PERI_HESSIAN_NULL,
  PERI_HESSIAN_BOOLEAN,
  PERI_HESSIAN_INT,
  PERI_HESSIAN_LONG,
  PERI_HESSIAN_DOUBLE,
  PERI_HESSIAN_DATE,
  PERI_HESSIAN_STRING,
  PERI_HESSIAN_BYTES,
  PERI_HESSIAN_LIST,
  PERI_HESSIAN_MAP,
  PERI_HESSIAN_OBJECT,  // or class definitions in front of one
  PERI_HESSIAN_REF,
} peri_hessian_kind;

typedef struct peri_hessian_reader {
  const uint8_t *at;  // the next value
  const uint8_t *end;
  const uint8_t *start;
  peri_err *err;
  peri_value_limits limits;
  uint32_t elements;  // budgets left
  uint32_t refs;
  uint32_t number;  // lists, maps and objects begun so far
  uint64_t stamp;   // who uses the thread's tables
  bool labels;      // the body may contain references
} peri_hessian_reader;

// Begins a body. Borrows `in` and `err` (may be NULL) as long as the reader is used.
void peri_hessian_reader_init(peri_hessian_reader *reader, peri_bytes in,
                              const peri_value_limits *limits, peri_err *err);
// What comes next.
peri_hessian_kind peri_hessian_peek(const peri_hessian_reader *reader);
// Feeds the next value to `sink`. Returns 0 or a negative code as peri_serializer.decode does.
// References lead to any earlier list or map of the body that went to the same sink.
int peri_hessian_read(peri_hessian_reader *reader, peri_sink *sink);
// Passes over the next value: definitions, types and references count, nothing is built.
int peri_hessian_skip(peri_hessian_reader *reader);
// Reads a string or null (empty, ptr NULL). Borrowed from the body, or from the thread's scratch
// buffer until the next string that is not plain.
int peri_hessian_read_string(peri_hessian_reader *reader, peri_bytes *text);
// Reads an int (also one that travels as long).
int peri_hessian_read_int(peri_hessian_reader *reader, int32_t *value);

typedef struct peri_hessian_class {
  peri_bytes name;  // borrowed from the body
  uint32_t fields;
  uint32_t first;  // of the reader's table of fields
} peri_hessian_class;

// Reads the head of an object, with the class definitions before it; the caller then reads or skips
// the value of each field in order.
int peri_hessian_read_object(peri_hessian_reader *reader, peri_hessian_class *object);
// The name of a field, borrowed from the body; `index` < object->fields.
peri_bytes peri_hessian_field(const peri_hessian_reader *reader, const peri_hessian_class *object,
                              uint32_t index);
// Reads the head of a list: its count of elements, or PERI_COUNT_UNKNOWN; the elements then follow
// as values, after an unknown count until peri_hessian_read_end says true. `type` may be NULL.
int peri_hessian_read_list(peri_hessian_reader *reader, peri_bytes *type, size_t *count);
// The same for a map: keys and values follow until peri_hessian_read_end says true.
int peri_hessian_read_map(peri_hessian_reader *reader, peri_bytes *type);
// Whether the open list or map ends here; passes over its end.
bool peri_hessian_read_end(peri_hessian_reader *reader);

// ---- writing ------------------------------------------------------------------------------------

// A writer lives in a peri_encoder.
//
// Begins a body that is appended to `out`. Borrows out, err (may be NULL) and the encoder's memory.
// `sink` takes any number of values, one after another.
void peri_hessian_writer_init(void *encoder, peri_buf *out, const peri_value_limits *limits,
                              peri_hessian_flavour flavour, peri_err *err, peri_sink *sink);
// Begins the head of an object whose fields the caller writes as values, in the order given.
int peri_hessian_write_object(void *encoder, const char *name, const char *const *fields,
                              size_t count);
// Begins a list of a type (NULL: untyped), whose elements the caller writes as values.
int peri_hessian_write_list(void *encoder, const char *type, size_t count);
// Begins an untyped map; the caller writes keys and values and then the end.
int peri_hessian_write_map(void *encoder);
int peri_hessian_write_end(void *encoder);
int peri_hessian_write_string(void *encoder, peri_bytes text);
int peri_hessian_write_null(void *encoder);
int peri_hessian_write_int(void *encoder, int32_t value);
int peri_hessian_write_boolean(void *encoder, bool value);
// The body is not over: the next writer or encoder of any `hessian2` serializer that begins on this
// thread exactly where `out` ends now goes on with the same tables. So an envelope can be written
// around a value whose encoder somebody else begins.
void peri_hessian_writer_keep(void *encoder);
// The same, and the list or map that is then written leaves out its own head and end: its elements
// are values of the body. So arguments follow each other, and one map is written by two.
void peri_hessian_writer_keep_open(void *encoder);
// Whether every value that was begun is complete.
int peri_hessian_writer_finish(void *encoder);
