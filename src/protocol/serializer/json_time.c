// SPDX-License-Identifier: MIT
#include "protocol/serializer/json_time.h"

#include <inttypes.h>
#include <stdio.h>

enum { NONE, DATE, TIME, BOTH, INSTANT, DURATION };

enum { YEAR, MONTH, DAY, HOUR, MINUTE, SECOND, NANO, SECONDS, INNER };

#define BILLION 1000000000
#define DAY_SECONDS 86400
#define SECONDS_MIN INT64_C(-31557014167219200)  // of an Instant
#define SECONDS_MAX INT64_C(31556889864403199)

static const char *const classes[] = {
    [DATE] = "java.time.LocalDate",     [TIME] = "java.time.LocalTime",
    [BOTH] = "java.time.LocalDateTime", [INSTANT] = "java.time.Instant",
    [DURATION] = "java.time.Duration",
};

static const struct {
  const char *name;
  uint8_t slot;
} fields[] = {
    {"year", YEAR},     {"month", MONTH},   {"day", DAY},    {"hour", HOUR},
    {"minute", MINUTE}, {"second", SECOND}, {"nano", NANO},  {"seconds", SECONDS},
    {"nanos", NANO},    {"date", INNER},    {"time", INNER},
};

// Bounds of the slots, both included.
static const int64_t bounds[][2] = {
    [YEAR] = {-999999999, 999999999},
    [MONTH] = {1, 12},
    [DAY] = {1, 31},
    [HOUR] = {0, 23},
    [MINUTE] = {0, 59},
    [SECOND] = {0, 59},
    [NANO] = {0, BILLION - 1},
    [SECONDS] = {SECONDS_MIN, SECONDS_MAX},
};

static const char *name_of(uint8_t slot) {
  return fields[slot == SECONDS ? 7 : slot].name;
}

uint8_t peri_json_time_kind(const char *name, size_t len) {
  static const char prefix[] = "java.time.";
  if (len < sizeof prefix || memcmp(name, prefix, sizeof prefix - 1) != 0) {
    return NONE;
  }
  for (size_t kind = DATE; kind <= DURATION; kind++) {
    if (strlen(classes[kind]) == len && memcmp(classes[kind], name, len) == 0) {
      return (uint8_t)kind;
    }
  }
  return NONE;
}

void peri_json_time_begin(peri_json_time *time, uint8_t kind) {
  *time = (peri_json_time){.kind = kind};
}

int peri_json_time_key(peri_json_time *time, const char *text, size_t len, peri_err *err) {
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    if (strlen(fields[i].name) == len && memcmp(fields[i].name, text, len) == 0) {
      time->slot = fields[i].slot;
      return 0;
    }
  }
  return peri_fail(err, PERI_EBAD_REQUEST, "%s has no field %.*s", classes[time->kind],
                   (int)(len < 40 ? len : 40), text);
}

void peri_json_time_value(peri_json_time *time, int64_t value) {
  time->slots[time->slot] = value;
}

static int check(const peri_json_time *time, uint8_t first, uint8_t last, peri_err *err) {
  for (uint8_t slot = first; slot <= last; slot++) {
    int64_t value = time->slots[slot];
    if (value < bounds[slot][0] || value > bounds[slot][1]) {
      return peri_fail(err, PERI_EBAD_REQUEST, "%s: %" PRId64 " is no %s", classes[time->kind],
                       value, name_of(slot));
    }
  }
  return 0;
}

static void add_date(peri_buf *out, int64_t year, int64_t month, int64_t day) {
  char text[64];
  int64_t size = year < 0 ? -year : year;
  int len = snprintf(text, sizeof text, "%s%04" PRId64 "-%02" PRId64 "-%02" PRId64,
                     year < 0 ? "-" : (year > 9999 ? "+" : ""), size, month, day);
  peri_buf_add(out, text, (size_t)len);
}

static void add_nanos(peri_buf *out, int64_t nanos) {
  char text[16];
  if (nanos != 0) {
    int len = snprintf(text, sizeof text, ".%09" PRId64, nanos);
    peri_buf_add(out, text, (size_t)len);
  }
}

static void add_time(peri_buf *out, int64_t hour, int64_t minute, int64_t second, int64_t nanos) {
  char text[64];
  int len =
      snprintf(text, sizeof text, "%02" PRId64 ":%02" PRId64 ":%02" PRId64, hour, minute, second);
  peri_buf_add(out, text, (size_t)len);
  add_nanos(out, nanos);
}

// Days since 1970 in the Gregorian calendar, by eras of 400 years that begin in March.
static void add_day(peri_buf *out, int64_t days) {
  days += 719468;
  int64_t era = (days >= 0 ? days : days - 146096) / 146097;
  int64_t of_era = days - era * 146097;
  int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
  int64_t month = (5 * of_year + 2) / 153;
  int64_t day = of_year - (153 * month + 2) / 5 + 1;
  month = month < 10 ? month + 3 : month - 9;
  add_date(out, year + era * 400 + (month <= 2), month, day);
}

static void add_instant(peri_buf *out, int64_t seconds, int64_t nanos) {
  int64_t days = (seconds >= 0 ? seconds : seconds - (DAY_SECONDS - 1)) / DAY_SECONDS;
  int64_t rest = seconds - days * DAY_SECONDS;
  add_day(out, days);
  peri_buf_add_u8(out, 'T');
  add_time(out, rest / 3600, rest / 60 % 60, rest % 60, nanos);
  peri_buf_add_u8(out, 'Z');
}

static void add_duration(peri_buf *out, int64_t seconds, int64_t nanos) {
  char text[40];
  bool back = seconds < 0 && nanos != 0;  // -1 s and 5 ns are -0.999999995 s
  seconds += back;
  nanos = back ? BILLION - nanos : nanos;
  int len = snprintf(text, sizeof text, "PT%s%" PRId64, back && seconds == 0 ? "-" : "", seconds);
  peri_buf_add(out, text, (size_t)len);
  add_nanos(out, nanos);
  peri_buf_add_u8(out, 'S');
}

int peri_json_time_add(const peri_json_time *time, peri_buf *out, peri_err *err) {
  static const uint8_t ranges[][2] = {[DATE] = {YEAR, DAY},
                                      [TIME] = {HOUR, NANO},
                                      [BOTH] = {YEAR, NANO},
                                      [INSTANT] = {NANO, SECONDS},
                                      [DURATION] = {NANO, SECONDS}};
  const int64_t *at = time->slots;
  int rc = check(time, ranges[time->kind][0], ranges[time->kind][1], err);
  if (rc != 0) {
    return rc;
  }
  peri_buf_add_u8(out, '"');
  if (time->kind == INSTANT) {
    add_instant(out, at[SECONDS], at[NANO]);
  } else if (time->kind == DURATION) {
    add_duration(out, at[SECONDS], at[NANO]);
  } else {
    if (time->kind != TIME) {
      add_date(out, at[YEAR], at[MONTH], at[DAY]);
    }
    peri_buf_add(out, "T", time->kind == BOTH);
    if (time->kind != DATE) {
      add_time(out, at[HOUR], at[MINUTE], at[SECOND], at[NANO]);
    }
  }
  peri_buf_add_u8(out, '"');
  return 0;
}
