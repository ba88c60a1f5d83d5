// SPDX-License-Identifier: MIT
// Results for Dubbo's generic consumers ($invoke with generic=true), which have none of the classes
// and get what Java's own provider would give them (its PojoUtils.generalize): an object becomes a
// map of its fields with "class" first, a constant of an enum its name, LocalDate, LocalTime and
// LocalDateTime the text Java writes of them. Lists and sets are plain ones, arrays of all but
// numbers, strings and dates arrays of Object. Maps stay maps, numbers keep their types, and what
// stood in two places still does.
//
// Told from an object by its declaration (protocol/classes.h): whatever perilune.java.enum made is
// a constant, and whatever an interface declares as one. An object of a class that nobody declared,
// even with nothing but a `name`, is an object.
//
// A field that is null stands there where the class was declared with its fields in order; of
// java.time, moment.h has the rest.
//
// Other than Java: other classes of java.* go as objects, which its consumers have and Java makes
// maps of.
#pragma once
#include "protocol/serializer.h"

// A sink that appends one value to `out`, goes on with a body that was kept, and has to be
// finished: members of a peri_serializer.
void dubbo_generic_encoder_init(void *encoder, peri_buf *out, const peri_value_limits *limits,
                                peri_err *err, peri_sink *sink);
// The same in JSON, for those who ask in fastjson; null is left out of objects, as there.
void dubbo_generic_json_encoder_init(void *encoder, peri_buf *out, const peri_value_limits *limits,
                                     peri_err *err, peri_sink *sink);
int dubbo_generic_encoder_finish(void *encoder);
