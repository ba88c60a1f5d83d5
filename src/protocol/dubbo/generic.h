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
// Other than Java: other classes of java.* go as objects (its consumers have them; Java makes maps
// of some, such as Instant), and a field that is null may be missing.
#pragma once
#include "protocol/serializer.h"

// A sink that appends one value to `out`, goes on with a body that was kept, and has to be
// finished: members of a peri_serializer.
void dubbo_generic_encoder_init(void *encoder, peri_buf *out, const peri_value_limits *limits,
                                peri_err *err, peri_sink *sink);
int dubbo_generic_encoder_finish(void *encoder);
