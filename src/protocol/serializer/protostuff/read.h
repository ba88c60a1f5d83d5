// SPDX-License-Identifier: MIT
// What the parts of the decoder share. Functions return 0 or a negative code.
#pragma once
#include "protocol/serializer/protostuff/wire.h"

typedef peri_protostuff_reader reader;

int peri_protostuff_enter(reader *r);
int peri_protostuff_count_element(reader *r);
// The end tag of a message (0: the end of the input).
int peri_protostuff_expect_end(reader *r, uint32_t group);
// The next tag; 1 at the end of the message.
int peri_protostuff_next_field(reader *r, uint32_t group, uint32_t *number, unsigned *wire);
// A tag that must be of that number and type; else `what` is wrong.
int peri_protostuff_expect(reader *r, uint32_t number, unsigned wire, const char *what);
// Names the class of the map that follows. Who wants the fields named before gets a map of it.
int peri_protostuff_name_map(peri_sink *sink, peri_bytes name);

// A value that says what it is, up to the end tag of `group` (0: to the end of the input).
int peri_protostuff_any(reader *r, peri_sink *sink, uint32_t group);
// The value whose tag was read, of a type that is declared (NULL = ANY).
int peri_protostuff_typed(reader *r, peri_sink *sink, const peri_java_type *type, uint32_t number,
                          unsigned wire);

// Collections and arrays: what follows the field that says which.
int peri_protostuff_collection(reader *r, peri_sink *sink, uint32_t group);
int peri_protostuff_array(reader *r, peri_sink *sink, uint32_t group);
int peri_protostuff_scalar_array(reader *r, peri_sink *sink, uint32_t group);
int peri_protostuff_class_array(reader *r, peri_sink *sink, uint32_t group);
int peri_protostuff_enum_set(reader *r, peri_sink *sink, uint32_t group);
int peri_protostuff_collection_wrapper(reader *r, peri_sink *sink, uint32_t group);
// What java.util.Collections wraps, under `number`, as if it were not; what else is told of the
// wrapper is passed over.
int peri_protostuff_wrapped(reader *r, peri_sink *sink, uint32_t number, uint32_t group);
// An array whose elements are of one inline type or class, from its length on.
int peri_protostuff_elements(reader *r, peri_sink *sink, const peri_java_type *type,
                             uint32_t group);

// Maps, in the same way.
int peri_protostuff_map(reader *r, peri_sink *sink, uint32_t group);
int peri_protostuff_enum_map(reader *r, peri_sink *sink, uint32_t group);
int peri_protostuff_map_wrapper(reader *r, peri_sink *sink, uint32_t group);
int peri_protostuff_entries(reader *r, peri_sink *sink, const peri_java_type *keys,
                            const peri_java_type *values, uint32_t group);
