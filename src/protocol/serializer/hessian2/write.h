// SPDX-License-Identifier: MIT
// What the parts of the writer share.
#pragma once
#include "protocol/serializer/hessian2/tables.h"

typedef struct hessian_frame {
  uint8_t kind;
  uint32_t count;    // values written so far, keys of maps too
  uint32_t promise;  // lists and objects: values announced
} hessian_frame;

typedef struct hessian_writer {
  peri_buf *out;
  peri_err *err;
  hessian_tables *t;
  uint64_t stamp;
  peri_hessian_flavour flavour;
  peri_cast cast;        // of the scalar that follows
  bool typed;            // a class was named for the list or map that follows
  bool dictionary;       // which is a map of that class
  bool announced;        // its fields were named
  bool splice;           // the outermost list or map has neither head nor end
  bool nano;             // its field `nanos` is called `nano`
  peri_bytes name;       // kept
  size_t text_mark;      // what the tables held before the name
  uint32_t field_mark;   // and before its fields
  uint64_t hash;         // of name and fields
  hessian_known *known;  // the class that follows agrees with this one so far
  uint32_t next;         // of its fields
  uint32_t at;           // where the text of that begins
  uint32_t depth;
  uint32_t max_depth;
  hessian_frame frames[PERI_VALUE_DEPTH_MAX + 1];  // [0] is the body
} hessian_writer;

// The writer as a sink.
extern const peri_sink_ops peri_hessian_writer_ops;

// The shortest forms, as Caucho's implementation chooses them.
void peri_hessian_put_int(peri_buf *out, int32_t value);
void peri_hessian_put_long(peri_buf *out, int64_t value);
void peri_hessian_put_double(peri_buf *out, double value);
void peri_hessian_put_date(peri_buf *out, int64_t ms);
void peri_hessian_put_bytes(peri_buf *out, const uint8_t *data, size_t len);
// `text` is UTF-8, and was checked.
void peri_hessian_put_string(peri_buf *out, const char *text, size_t len);

// The class that follows: begins with the name, goes on with each field. put_object writes the head
// of the object, with the definition where there is none yet; put_type the type of a list or map.
void peri_hessian_begin_class(hessian_writer *w, const char *name, size_t len);
int peri_hessian_add_class_field(hessian_writer *w, const char *name, size_t len);
int peri_hessian_put_object(hessian_writer *w);
// Begins the class of a shape, all fields named, if it is known; keep_shape makes it so once its
// object was put.
bool peri_hessian_begin_shape(hessian_writer *w, const peri_shape *shape);
void peri_hessian_keep_shape(hessian_writer *w, const peri_shape *shape);
int peri_hessian_put_type(hessian_writer *w);
// The head of an object with a single field.
int peri_hessian_put_box(hessian_writer *w, const char *name, const char *field);
