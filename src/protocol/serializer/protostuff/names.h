// SPDX-License-Identifier: MIT
// Names of collections, maps and arrays, between the wire and values.
#pragma once
#include "protocol/serializer/protostuff/wire.h"

typedef struct peri_protostuff_name {
  size_t len;
  char text[256];
} peri_protostuff_name;

// Whether it is one of java.util, or of a package in it.
bool peri_protostuff_in_package(peri_bytes name);
// What stands for a collection or map whose class lies within one of java.util, of List.of(), keySet()
// or Map.of(): Java itself cannot make such a class by its name. Other names as they are.
peri_bytes peri_protostuff_usual_name(peri_bytes name, const char *usual);
// What stands on the wire for a collection or map of that name: a part of `name`, or all of it.
peri_bytes peri_protostuff_short_name(peri_bytes name);
// The reverse. False when it is too long.
bool peri_protostuff_full_name(peri_bytes name, peri_protostuff_name *out);

// What Hessian calls an array of that component, as Java calls it: '[int', '[[string',
// '[demo.Person'. False when it is too long, or no array.
bool peri_protostuff_array_name(peri_bytes component, uint64_t dimensions,
                                peri_protostuff_name *out);
// The reverse: a part of `name`, or a constant.
peri_bytes peri_protostuff_component(peri_bytes name, uint32_t *dimensions);
// The type of the elements of an array that has a number of its own; NULL for others.
const peri_java_type *peri_protostuff_inlined(peri_bytes component, uint32_t dimensions,
                                              uint32_t *id);
// What Hessian calls the array of that number; false where it has no name for it.
bool peri_protostuff_inlined_name(uint64_t id, peri_protostuff_name *out);
