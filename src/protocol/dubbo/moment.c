// SPDX-License-Identifier: MIT
#include "protocol/dubbo/moment.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
  NONE,
  INSTANT,
  DURATION,
  PERIOD,
  YEAR_ONLY,
  YEAR_MONTH,
  MONTH_DAY,
  OFFSET,
  ZONE,
  OFFSET_TIME,
  OFFSET_BOTH,
  ZONED_BOTH,
  KINDS
};

enum {
  YEAR,
  MONTH,
  DAY,
  HOUR,
  MINUTE,
  SECOND,
  NANO,
  SECONDS,  // of an Instant, a Duration or an offset
  YEARS,
  MONTHS,
  DAYS,
  ZONE_ID,
  INNER
};

static const char *const classes[KINDS] = {
    [INSTANT] = "java.time.Instant",
    [DURATION] = "java.time.Duration",
    [PERIOD] = "java.time.Period",
    [YEAR_ONLY] = "java.time.Year",
    [YEAR_MONTH] = "java.time.YearMonth",
    [MONTH_DAY] = "java.time.MonthDay",
    [OFFSET] = "java.time.ZoneOffset",
    [ZONE] = "java.time.ZoneId",
    [OFFSET_TIME] = "java.time.OffsetTime",
    [OFFSET_BOTH] = "java.time.OffsetDateTime",
    [ZONED_BOTH] = "java.time.ZonedDateTime",
};

// First those of the slots in their order, with bounds, both included.
static const struct {
  const char *name;
  uint8_t slot;
  int64_t min, max;
} fields[] = {
    {"year", YEAR, -999999999, 999999999},
    {"month", MONTH, 1, 12},
    {"day", DAY, 1, 31},
    {"hour", HOUR, 0, 23},
    {"minute", MINUTE, 0, 59},
    {"second", SECOND, 0, 59},
    {"nano", NANO, 0, 999999999},
    {"seconds", SECONDS, INT64_MIN, INT64_MAX},
    {"years", YEARS, INT32_MIN, INT32_MAX},
    {"months", MONTHS, INT32_MIN, INT32_MAX},
    {"days", DAYS, INT32_MIN, INT32_MAX},
    {"zoneId", ZONE_ID, 0, 0},
    {"nanos", NANO, 0, 0},
    {"date", INNER, 0, 0},
    {"time", INNER, 0, 0},
    {"dateTime", INNER, 0, 0},
    {"localTime", INNER, 0, 0},
    {"offset", INNER, 0, 0},
    {"zoneOffset", INNER, 0, 0},
};

enum { FIELDS = sizeof fields / sizeof *fields, OFFSET_MAX = 18 * 3600 };

uint8_t dubbo_moment_kind(const char *name, size_t len) {
  for (size_t kind = INSTANT; kind < KINDS; kind++) {
    if (strlen(classes[kind]) == len && memcmp(classes[kind], name, len) == 0) {
      return (uint8_t)kind;
    }
  }
  return NONE;
}

void dubbo_moment_begin(dubbo_moment *m, uint8_t kind) {
  *m = (dubbo_moment){.kind = kind, .slot = INNER, .slots = {[MONTH] = 1, [DAY] = 1}};
}

int dubbo_moment_key(dubbo_moment *m, const char *text, size_t len, peri_err *err) {
  for (size_t i = 0; i < FIELDS; i++) {
    if (strlen(fields[i].name) == len && memcmp(fields[i].name, text, len) == 0) {
      m->slot = fields[i].slot;
      return 0;
    }
  }
  return peri_fail(err, PERI_EBAD_REQUEST, "%s has no field %.*s", classes[m->kind],
                   (int)(len < 40 ? len : 40), text);
}

int dubbo_moment_number(dubbo_moment *m, int64_t value, peri_err *err) {
  if (m->slot >= ZONE_ID) {
    return peri_fail(err, PERI_EBAD_REQUEST, "%s: a part of it is no number", classes[m->kind]);
  }
  bool offset = m->slot == SECONDS && m->kind > MONTH_DAY;
  if (value < fields[m->slot].min || value > fields[m->slot].max ||
      (offset && (value < -OFFSET_MAX || value > OFFSET_MAX))) {
    return peri_fail(err, PERI_EBAD_REQUEST, "%s: %" PRId64 " is no %s", classes[m->kind], value,
                     fields[m->slot].name);
  }
  m->slots[m->slot] = value;
  return 0;
}

int dubbo_moment_text(dubbo_moment *m, const char *text, size_t len, peri_err *err) {
  if (m->slot != ZONE_ID || len > DUBBO_ZONE_MAX) {
    return peri_fail(err, PERI_EBAD_REQUEST, "%s: '%.*s' is no part of it", classes[m->kind],
                     (int)(len < 40 ? len : 40), text);
  }
  memcpy(m->zone, text, len);
  m->zone_len = (uint8_t)len;
  return 0;
}

// ---- writing --------------------------------------------------------------------------------------

// Goes on until something fails.
typedef struct writing {
  const peri_sink *to;
  int rc;
} writing;

#define PUT(w, member, ...)                                                                        \
  ((w)->rc = (w)->rc != 0 ? (w)->rc : (w)->to->ops->member((w)->to->self, ##__VA_ARGS__))

static void put_key(writing *w, const char *name) {
  PUT(w, key, name, strlen(name));
}

static void put_text(writing *w, const char *name, const char *text, size_t len) {
  put_key(w, name);
  PUT(w, string, text, len);
}

static void put_int(writing *w, const char *name, int64_t value) {
  put_key(w, name);
  PUT(w, integer, value);
}

static void put_long(writing *w, const char *name, int64_t value) {
  put_key(w, name);
  if (w->to->ops->graph->cast != NULL) {
    PUT(w, graph->cast, PERI_CAST_LONG);
  }
  PUT(w, integer, value);
}

static void put_flag(writing *w, const char *name, bool value) {
  put_key(w, name);
  PUT(w, boolean, value);
}

static void put_begin(writing *w, const char *class) {
  PUT(w, map_begin, PERI_COUNT_UNKNOWN);
  put_text(w, "class", class, strlen(class));
}

static void put_list(writing *w, const char *name, const char *const *texts, size_t count) {
  put_key(w, name);
  PUT(w, list_begin, count);
  for (size_t i = 0; i < count; i++) {
    PUT(w, string, texts[i], strlen(texts[i]));
  }
  PUT(w, list_end);
}

static bool is_leap(int64_t year) {
  return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static void put_month(writing *w, int64_t month) {
  static const char *const names[] = {"JANUARY",   "FEBRUARY", "MARCH",    "APRIL",
                                      "MAY",       "JUNE",     "JULY",     "AUGUST",
                                      "SEPTEMBER", "OCTOBER",  "NOVEMBER", "DECEMBER"};
  put_text(w, "month", names[month - 1], strlen(names[month - 1]));
  put_int(w, "monthValue", month);
}

static void put_date(writing *w, const int64_t *at) {
  static const char *const names[] = {"MONDAY", "TUESDAY",  "WEDNESDAY", "THURSDAY",
                                      "FRIDAY", "SATURDAY", "SUNDAY"};
  static const int16_t before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
  int64_t month = at[MONTH];
  int64_t of_year = before[month - 1] + at[DAY] + (month > 2 && is_leap(at[YEAR]));
  int64_t year = at[YEAR] - 1 + INT64_C(1000000000);  // a multiple of 400 further on
  int64_t day = (of_year + year * 365 + year / 4 - year / 100 + year / 400 - 1) % 7;
  put_int(w, "year", at[YEAR]);
  put_month(w, month);
  put_int(w, "dayOfMonth", at[DAY]);
  put_int(w, "dayOfYear", of_year);
  put_text(w, "dayOfWeek", names[day], strlen(names[day]));
}

static void put_time(writing *w, const int64_t *at) {
  put_int(w, "hour", at[HOUR]);
  put_int(w, "minute", at[MINUTE]);
  put_int(w, "second", at[SECOND]);
  put_int(w, "nano", at[NANO]);
}

// "Z", "+01:00", "-00:00:05"
static void put_offset(writing *w, int64_t seconds) {
  char id[32] = "Z";
  int64_t size = seconds < 0 ? -seconds : seconds;
  if (seconds != 0) {
    int len = snprintf(id, sizeof id, "%c%02d:%02d", seconds < 0 ? '-' : '+', (int)(size / 3600),
                       (int)(size / 60 % 60));
    if (size % 60 != 0) {
      snprintf(id + len, sizeof id - (size_t)len, ":%02d", (int)(size % 60));
    }
  }
  put_begin(w, classes[OFFSET]);
  put_int(w, "totalSeconds", seconds);
  put_text(w, "id", id, strlen(id));
  put_key(w, "rules");
  put_begin(w, "java.time.zone.ZoneRules");
  put_flag(w, "fixedOffset", true);
  put_list(w, "transitions", NULL, 0);
  put_list(w, "transitionRules", NULL, 0);
  PUT(w, map_end);
  PUT(w, map_end);
}

// One that is an offset is that: such a moment is told in it.
static void put_zone(writing *w, const dubbo_moment *m) {
  if (m->kind == ZONED_BOTH && (m->zone_len == 0 || strchr("+-", m->zone[0]) != NULL ||
                                (m->zone_len == 1 && m->zone[0] == 'Z'))) {
    put_offset(w, m->slots[SECONDS]);
    return;
  }
  put_begin(w, "java.time.ZoneRegion");
  put_text(w, "id", m->zone, m->zone_len);
  PUT(w, map_end);
}

static void put_chronology(writing *w) {
  put_key(w, "chronology");
  put_begin(w, "java.time.chrono.IsoChronology");
  put_text(w, "id", "ISO", 3);
  put_text(w, "calendarType", "iso8601", 7);
  PUT(w, map_end);
}

static void put_duration(writing *w, const int64_t *at) {
  static const char *const units[] = {"SECONDS", "NANOS"};
  put_long(w, "seconds", at[SECONDS]);
  put_int(w, "nano", at[NANO]);
  put_flag(w, "zero", at[SECONDS] == 0 && at[NANO] == 0);
  put_flag(w, "negative", at[SECONDS] < 0);
  put_list(w, "units", units, 2);
}

static void put_period(writing *w, const int64_t *at) {
  static const char *const units[] = {"YEARS", "MONTHS", "DAYS"};
  put_int(w, "years", at[YEARS]);
  put_int(w, "months", at[MONTHS]);
  put_int(w, "days", at[DAYS]);
  put_flag(w, "zero", at[YEARS] == 0 && at[MONTHS] == 0 && at[DAYS] == 0);
  put_flag(w, "negative", at[YEARS] < 0 || at[MONTHS] < 0 || at[DAYS] < 0);
  put_list(w, "units", units, 3);
  put_chronology(w);
}

// Those that begin with an offset or a zone.
static void put_placed(writing *w, const dubbo_moment *m) {
  if (m->kind != OFFSET_TIME) {
    put_date(w, m->slots);
  }
  put_time(w, m->slots);
  put_key(w, "offset");
  put_offset(w, m->slots[SECONDS]);
  if (m->kind == ZONED_BOTH) {
    put_key(w, "zone");
    put_zone(w, m);
    put_chronology(w);
  }
}

static void put_members(writing *w, const dubbo_moment *m) {
  const int64_t *at = m->slots;
  switch (m->kind) {
  case INSTANT:
    put_long(w, "epochSecond", at[SECONDS]);
    put_int(w, "nano", at[NANO]);
    break;
  case DURATION: put_duration(w, at); break;
  case PERIOD: put_period(w, at); break;
  case YEAR_ONLY:
    put_int(w, "value", at[YEAR]);
    put_flag(w, "leap", is_leap(at[YEAR]));
    break;
  case YEAR_MONTH:
    put_int(w, "year", at[YEAR]);
    put_month(w, at[MONTH]);
    put_flag(w, "leapYear", is_leap(at[YEAR]));
    break;
  case MONTH_DAY:
    put_month(w, at[MONTH]);
    put_int(w, "dayOfMonth", at[DAY]);
    break;
  default: put_placed(w, m);
  }
}

int dubbo_moment_write(const dubbo_moment *m, const peri_sink *to, peri_err *err) {
  writing w = {to, 0};
  if (m->kind == ZONE && m->zone_len == 0) {
    return peri_fail(err, PERI_EBAD_REQUEST, "%s: it has no zoneId", classes[m->kind]);
  }
  if (m->kind == OFFSET) {
    put_offset(&w, m->slots[SECONDS]);
  } else if (m->kind == ZONE) {
    put_zone(&w, m);
  } else {
    put_begin(&w, classes[m->kind]);
    put_members(&w, m);
    PUT(&w, map_end);
  }
  return w.rc;
}
