// SPDX-License-Identifier: MIT
// Java classes that stand for something else: the handles that Hessian implementations put around
// float, short, byte and the types of java.time, and the numbers of java.math.
#pragma once
#include "protocol/serializer/hessian2.h"

typedef struct hessian_role {
  peri_cast cast;    // the object is a scalar in its only field
  const char *name;  // the class it stands for; NULL = itself
} hessian_role;

// What a class with `fields` fields, the first one called `first`, stands for.
hessian_role peri_hessian_role(peri_bytes name, size_t fields, peri_bytes first);

// The class to write for `name`: that of the handle when it has one, else NULL. Static text.
const char *peri_hessian_handle(peri_hessian_flavour flavour, const char *name, size_t len);
// Whether the class (may be NULL) is one of those whose `nanos` JoyRPC's handles call `nano`.
bool peri_hessian_has_nanos(const char *name);
// The class and the field of the object to write for a cast, NULL when it travels as a scalar.
const char *peri_hessian_box(peri_hessian_flavour flavour, peri_cast cast, const char **field);
// Whether objects of this class are written as maps: the maps of java.util.
bool peri_hessian_is_map(const char *name, size_t len);
