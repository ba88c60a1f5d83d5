// SPDX-License-Identifier: MIT
// Moments of java.time, which JSON shows as text and everybody else as an object of numbers:
// LocalDate, LocalTime, LocalDateTime, Instant and Duration.
#pragma once
#include "base/buf.h"
#include "base/err.h"

enum { PERI_JSON_TIME_SLOTS = 9 };

typedef struct peri_json_time {
  uint8_t kind;  // of the outermost, 0 = none
  uint8_t slot;  // that the last key named
  int64_t slots[PERI_JSON_TIME_SLOTS];
} peri_json_time;

// The kind of the class of this name; 0 of any other class.
uint8_t peri_json_time_kind(const char *name, size_t len);
// Begins a moment of `kind`, which is not 0.
void peri_json_time_begin(peri_json_time *time, uint8_t kind);
// The field that follows. Returns 0, or PERI_EBAD_REQUEST where no class has it.
int peri_json_time_key(peri_json_time *time, const char *text, size_t len, peri_err *err);
// The value of the last field.
void peri_json_time_value(peri_json_time *time, int64_t value);
// Appends the text of it, in quotes. Returns 0, or PERI_EBAD_REQUEST where there is no such moment.
int peri_json_time_add(const peri_json_time *time, peri_buf *out, peri_err *err);
