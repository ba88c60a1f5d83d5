// SPDX-License-Identifier: MIT
// Protostuff as JoyRPC configures it (runtime schemas): messages of numbered fields, nested ones
// between a start and an end tag. A value whose type is not declared says itself what it is: its
// first field is the number of an inline type, a collection, an enum or a class. What stands in a
// class is told by its declaration (protocol/classes.h) alone.
#pragma once
#include "protocol/classes.h"
#include "protocol/serializer.h"

enum { WIRE_VARINT, WIRE_FIXED64, WIRE_BYTES, WIRE_START, WIRE_END, WIRE_FIXED32 };

enum {  // first fields beside those of inline types, which are peri_java_kind's
  ID_ARRAY = 15,
  ID_OBJECT = 16,
  ID_ENUM_SET = 22,
  ID_ENUM_MAP = 23,
  ID_ENUM = 24,
  ID_COLLECTION = 25,
  ID_MAP = 26,
  ID_COLLECTION_WRAPPER = 28,
  ID_MAP_WRAPPER = 29,
  ID_ARRAY_SCALAR = 33,
  ID_ARRAY_ENUM = 34,
  ID_ARRAY_POJO = 35,
  ID_THROWABLE = 52,
  ID_POJO = 127,
};

enum {  // fields of java.lang.Throwable; those of the subclasses follow
  THROWABLE_MESSAGE = 1,
  THROWABLE_CAUSE = 2,
  THROWABLE_TRACE = 3,
  THROWABLE_FIELDS = 4,
  LAF_CODE = 5,  // of JoyRPC's own
  LAF_RETRY = 6,
};

static inline unsigned peri_protostuff_wire(peri_java_kind kind) {
  switch (kind) {
  case PERI_JAVA_DOUBLE:
  case PERI_JAVA_DATE: return WIRE_FIXED64;
  case PERI_JAVA_FLOAT: return WIRE_FIXED32;
  case PERI_JAVA_STRING:
  case PERI_JAVA_BYTE_STRING:
  case PERI_JAVA_BYTES:
  case PERI_JAVA_DECIMAL:
  case PERI_JAVA_BIGINT: return WIRE_BYTES;
  default: return WIRE_VARINT;
  }
}

// Of java.time and JoyRPC's messages too, whose fields are the library's.
const peri_class *peri_protostuff_class(peri_bytes name);

// A reader of fields. Functions return 0 or a negative code with a text in `err`.
typedef struct peri_protostuff_reader {
  const uint8_t *at, *end, *start;
  peri_err *err;
  uint32_t depth, max_depth, elements, max_string;
} peri_protostuff_reader;

void peri_protostuff_reader_init(peri_protostuff_reader *r, peri_bytes in,
                                 const peri_value_limits *limits, peri_err *err);
int peri_protostuff_bad(const peri_protostuff_reader *r, const char *what);
int peri_protostuff_varint(peri_protostuff_reader *r, uint64_t *value);
int peri_protostuff_tag(peri_protostuff_reader *r, uint32_t *number, unsigned *wire);
int peri_protostuff_bytes(peri_protostuff_reader *r, peri_bytes *bytes);
// Steps over the field whose tag was read.
int peri_protostuff_skip(peri_protostuff_reader *r, uint32_t number, unsigned wire);
// Feeds the scalar of that kind whose tag was read.
int peri_protostuff_scalar(peri_protostuff_reader *r, peri_sink *sink, peri_java_kind kind,
                           unsigned wire);
// Feeds the entries of a map with keys of text and values of any kind up to the end tag.
int peri_protostuff_attachments(peri_protostuff_reader *r, peri_sink *sink, uint32_t group);

int peri_protostuff_decode(peri_bytes in, const peri_value_limits *limits, peri_sink *sink,
                           size_t *used, peri_err *err);
int peri_protostuff_decode_object(peri_bytes in, peri_bytes class_name,
                                  const peri_value_limits *limits, peri_sink *sink, peri_err *err);
void peri_protostuff_encoder_init(void *encoder, peri_buf *out, const peri_value_limits *limits,
                                  peri_err *err, peri_sink *sink);
int peri_protostuff_encoder_finish(void *encoder);
// The value that follows init is a field of that number and type.
void peri_protostuff_encoder_field(void *encoder, uint32_t field, const peri_java_type *type);
// The value written next to `out`, from its end on, is a call's list of arguments, an array of
// Object; NULL: none is.
void peri_protostuff_expect_args(const peri_buf *out);

void peri_protostuff_put_varint(peri_buf *out, uint64_t value);
void peri_protostuff_put_tag(peri_buf *out, uint32_t number, unsigned wire);
void peri_protostuff_put_text(peri_buf *out, uint32_t number, peri_bytes text);

int peri_protostuff_read_request(peri_bytes body, const peri_value_limits *limits,
                                 peri_buf *scratch, peri_envelope *out, peri_err *err);
int peri_protostuff_read_reply(peri_bytes body, const peri_value_limits *limits, peri_buf *scratch,
                               peri_reply_envelope *out, peri_err *err);
int peri_protostuff_begin_request(peri_buf *out, const peri_envelope *envelope);
int peri_protostuff_end_request(peri_buf *out, const peri_envelope *envelope);
int peri_protostuff_begin_reply(peri_buf *out, const peri_reply_envelope *envelope);
int peri_protostuff_end_reply(peri_buf *out, const peri_reply_envelope *envelope);
