// SPDX-License-Identifier: MIT
#include "protocol/serializer/hessian2/java.h"

#define JOYRPC "io.joyrpc.com.caucho.hessian.io."
#define DUBBO "com.alibaba.com.caucho.hessian.io."
#define CAUCHO "com.caucho.hessian.io."

static const char *const packages[] = {
    [PERI_HESSIAN_JOYRPC] = JOYRPC,
    [PERI_HESSIAN_DUBBO] = DUBBO,
    [PERI_HESSIAN_CAUCHO] = CAUCHO,
};
enum { PACKAGES = sizeof packages / sizeof *packages };

// X(class, handle): class is what scripts see.
#define HANDLES(X)                                                                                 \
  X("java.time.Duration", "java8.DurationHandle")                                                  \
  X("java.time.Instant", "java8.InstantHandle")                                                    \
  X("java.time.LocalDate", "java8.LocalDateHandle")                                                \
  X("java.time.LocalDateTime", "java8.LocalDateTimeHandle")                                        \
  X("java.time.LocalTime", "java8.LocalTimeHandle")                                                \
  X("java.time.MonthDay", "java8.MonthDayHandle")                                                  \
  X("java.time.OffsetDateTime", "java8.OffsetDateTimeHandle")                                      \
  X("java.time.OffsetTime", "java8.OffsetTimeHandle")                                              \
  X("java.time.Period", "java8.PeriodHandle")                                                      \
  X("java.time.Year", "java8.YearHandle")                                                          \
  X("java.time.YearMonth", "java8.YearMonthHandle")                                                \
  X("java.time.ZonedDateTime", "java8.ZonedDateTimeHandle")                                        \
  X("java.time.ZoneId", "java8.ZoneIdHandle")                                                      \
  X("java.time.ZoneOffset", "java8.ZoneOffsetHandle")                                              \
  X("java.util.Locale", "LocaleHandle")

static const struct {
  const char *name;
  const char *handle;
  const char *full[PACKAGES];
} handles[] = {
#define X(name, handle) {name, handle, {JOYRPC handle, DUBBO handle, CAUCHO handle}},
    HANDLES(X)
#undef X
};

static const struct {
  const char *handle;
  peri_cast cast;
} scalars[] = {
    {"FloatHandle", PERI_CAST_FLOAT},
    {"ShortHandle", PERI_CAST_SHORT},
    {"ByteHandle", PERI_CAST_BYTE},
};

static bool is(peri_bytes text, const char *literal) {
  return peri_bytes_equal(text, peri_bytes_of(literal));
}

static bool strip(peri_bytes *name, const char *prefix) {
  size_t len = strlen(prefix);
  if (name->len <= len || memcmp(name->ptr, prefix, len) != 0) {
    return false;
  }
  *name = (peri_bytes){name->ptr + len, name->len - len};
  return true;
}

static hessian_role handle_role(peri_bytes handle, bool scalar) {
  for (size_t i = 0; scalar && i < sizeof scalars / sizeof *scalars; i++) {
    if (is(handle, scalars[i].handle)) {
      return (hessian_role){scalars[i].cast, NULL};
    }
  }
  for (size_t i = 0; i < sizeof handles / sizeof *handles; i++) {
    if (is(handle, handles[i].handle)) {
      return (hessian_role){PERI_CAST_NONE, handles[i].name};
    }
  }
  return (hessian_role){PERI_CAST_NONE, NULL};
}

hessian_role peri_hessian_role(peri_bytes name, size_t fields, peri_bytes first) {
  if (fields == 1 && is(first, "value") && is(name, "java.math.BigDecimal")) {
    return (hessian_role){PERI_CAST_DECIMAL, NULL};
  }
  if (fields > 1 && is(name, "java.math.BigInteger")) {
    return (hessian_role){PERI_CAST_BIGINT, NULL};
  }
  for (size_t i = 0; i < PACKAGES; i++) {
    if (strip(&name, packages[i])) {
      return handle_role(name, fields == 1 && is(first, "_value"));
    }
  }
  return (hessian_role){PERI_CAST_NONE, NULL};
}

const char *peri_hessian_handle(peri_hessian_flavour flavour, const char *name, size_t len) {
  if (len < 10 || memcmp(name, "java.", 5) != 0) {
    return NULL;
  }
  for (size_t i = 0; i < sizeof handles / sizeof *handles; i++) {
    if (is((peri_bytes){(const uint8_t *)name, len}, handles[i].name)) {
      return handles[i].full[flavour];
    }
  }
  return NULL;
}

bool peri_hessian_has_nanos(const char *name) {
  return name != NULL &&
         (strcmp(name, "java.time.Duration") == 0 || strcmp(name, "java.time.Instant") == 0);
}

const char *peri_hessian_box(peri_hessian_flavour flavour, peri_cast cast, const char **field) {
  static const char *const joyrpc[] = {JOYRPC "FloatHandle", JOYRPC "ShortHandle",
                                       JOYRPC "ByteHandle"};
  static const char *const caucho[] = {CAUCHO "FloatHandle", CAUCHO "ShortHandle",
                                       CAUCHO "ByteHandle"};
  *field = "value";
  if (cast == PERI_CAST_DECIMAL) {
    return "java.math.BigDecimal";
  }
  if (cast < PERI_CAST_FLOAT || cast > PERI_CAST_BYTE || flavour == PERI_HESSIAN_DUBBO) {
    return NULL;
  }
  *field = "_value";
  return (flavour == PERI_HESSIAN_JOYRPC ? joyrpc : caucho)[cast - PERI_CAST_FLOAT];
}

bool peri_hessian_is_map(const char *name, size_t len) {
  static const char *const maps[] = {"java.util.HashMap",
                                     "java.util.LinkedHashMap",
                                     "java.util.TreeMap",
                                     "java.util.Map",
                                     "java.util.SortedMap",
                                     "java.util.Hashtable",
                                     "java.util.Properties",
                                     "java.util.IdentityHashMap",
                                     "java.util.WeakHashMap",
                                     "java.util.EnumMap",
                                     "java.util.concurrent.ConcurrentHashMap",
                                     "java.util.concurrent.ConcurrentSkipListMap"};
  if (len < 10 || memcmp(name, "java.util.", 10) != 0) {
    return false;
  }
  for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
    if (is((peri_bytes){(const uint8_t *)name, len}, maps[i])) {
      return true;
    }
  }
  return false;
}
