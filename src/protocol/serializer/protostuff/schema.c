// SPDX-License-Identifier: MIT
// Classes whose fields JoyRPC writes by schemas of its own, and those of its messages.
#include <pthread.h>

#include "protocol/serializer/protostuff/wire.h"

static const struct {
  const char *name;
  const char *fields[4], *types[4];
} known[] = {
    {"java.time.LocalDate", {"year", "month", "day"}, {"int", "int", "int"}},
    {"java.time.LocalTime", {"hour", "minute", "second", "nano"}, {"int", "int", "int", "int"}},
    {"java.time.LocalDateTime", {"date", "time"}, {"java.time.LocalDate", "java.time.LocalTime"}},
    {"java.time.Instant", {"seconds", "nanos"}, {"long", "int"}},
    {"java.time.Duration", {"seconds", "nanos"}, {"long", "int"}},
    {"java.time.ZoneOffset", {"seconds"}, {"int"}},
    {"java.time.ZoneId", {"zoneId"}, {"java.lang.String"}},
    {"java.time.ZonedDateTime",
     {"dateTime", "offset", "zoneId"},
     {"java.time.LocalDateTime", "java.time.ZoneOffset", "java.time.ZoneId"}},
    {"java.time.OffsetDateTime",
     {"dateTime", "offset"},
     {"java.time.LocalDateTime", "java.time.ZoneOffset"}},
    {"java.time.OffsetTime", {"time", "offset"}, {"java.time.LocalTime", "java.time.ZoneOffset"}},
    {"java.time.Period", {"years", "months", "days"}, {"int", "int", "int"}},
    {"java.time.Year", {"year"}, {"int"}},
    {"java.time.YearMonth", {"year", "month"}, {"int", "int"}},
    {"java.time.MonthDay", {"month", "day"}, {"int", "int"}},
    {"java.util.UUID", {"mostSigBits", "leastSigBits"}, {"long", "long"}},
    {"io.joyrpc.protocol.message.authentication.AuthenticationRequest",
     {"type", "attributes"},
     {"java.lang.String", "java.util.Map<java.lang.String, java.lang.String>"}},
    {"io.joyrpc.protocol.message.authentication.AuthenticationResponse",
     {"status", "message"},
     {"int", "java.lang.String"}},
};

static void declare_known(void) {
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    peri_bytes fields[4];
    peri_bytes types[4];
    uint32_t count = 0;
    for (; count < 4 && known[i].fields[count] != NULL; count++) {
      fields[count] = peri_bytes_of(known[i].fields[count]);
      types[count] = peri_bytes_of(known[i].types[count]);
    }
    peri_bytes name = peri_bytes_of(known[i].name);
    if (peri_class_find(name) == NULL) {
      peri_class_declare(name, count, fields, types, NULL);
    }
  }
}

const peri_class *peri_protostuff_class(peri_bytes name) {
  static pthread_once_t declared = PTHREAD_ONCE_INIT;
  pthread_once(&declared, declare_known);
  return peri_class_find(name);
}
