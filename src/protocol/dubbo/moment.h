// SPDX-License-Identifier: MIT
// What Java's own provider makes for generic consumers of those classes of java.time that it has no
// text for: a map of what their getters give. Instant, Duration, Period, Year, YearMonth, MonthDay,
// ZoneId, ZoneOffset, OffsetTime, OffsetDateTime and ZonedDateTime.
//
// Other than Java: a zone that is no offset comes without its rules, which nobody here knows.
#pragma once
#include "base/err.h"
#include "protocol/sink.h"

enum { DUBBO_MOMENT_SLOTS = 13, DUBBO_ZONE_MAX = 64 };

typedef struct dubbo_moment {
  uint8_t kind;
  uint8_t slot;  // that the last key named
  uint8_t zone_len;
  int64_t slots[DUBBO_MOMENT_SLOTS];
  char zone[DUBBO_ZONE_MAX];
} dubbo_moment;

// The kind of the class of this name; 0 of any other class.
uint8_t dubbo_moment_kind(const char *name, size_t len);
// Begins one of `kind`, which is not 0.
void dubbo_moment_begin(dubbo_moment *moment, uint8_t kind);
// The field that follows, of it or of what it consists of, as Hessian's handles name them. Returns 0,
// or PERI_EBAD_REQUEST where none has it.
int dubbo_moment_key(dubbo_moment *moment, const char *text, size_t len, peri_err *err);
// The value of the last field.
int dubbo_moment_number(dubbo_moment *moment, int64_t value, peri_err *err);
int dubbo_moment_text(dubbo_moment *moment, const char *text, size_t len, peri_err *err);
// Writes the map to a sink that has a graph. PERI_EBAD_REQUEST where there is no such moment.
int dubbo_moment_write(const dubbo_moment *moment, const peri_sink *to, peri_err *err);
