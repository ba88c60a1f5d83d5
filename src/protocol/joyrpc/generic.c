// SPDX-License-Identifier: MIT
// Generic calls: the arguments of a consumer that knows no types are name, types and list of the
// arguments, and the attachment `generic` says so. With `.genericSerializer` what is in the list is
// text, which the filter `generic` reads.
#include "protocol/joyrpc/joyrpc.h"

static const char GENERIC[] = "generic", TEXT[] = ".genericSerializer";

// What the map of attachments says.
typedef struct looking {
  uint32_t depth;
  bool *asked;  // for the value that follows
  bool generic, text;
} looking;

static int value(looking *l, bool says) {
  if (l->depth == 1 && l->asked != NULL) {
    *l->asked = says;
    l->asked = NULL;
  }
  return 0;
}

static int on_null(void *sink) {
  return value(sink, false);
}

static int on_boolean(void *sink, bool says) {
  return value(sink, says);
}

static int on_integer(void *sink, int64_t number) {
  (void)number;
  return value(sink, true);
}

static int on_uinteger(void *sink, uint64_t number) {
  (void)number;
  return value(sink, true);
}

static int on_number(void *sink, double number) {
  (void)number;
  return value(sink, true);
}

static int on_string(void *sink, const char *text, size_t len) {
  (void)text;
  (void)len;
  return value(sink, true);
}

static int on_bytes(void *sink, const uint8_t *data, size_t len) {
  (void)data;
  (void)len;
  return value(sink, true);
}

static int on_begin(void *sink, size_t count) {
  looking *l = sink;
  (void)count;
  value(l, true);
  l->depth++;
  return 0;
}

static int on_end(void *sink) {
  looking *l = sink;
  l->depth--;
  return 0;
}

static int on_key(void *sink, const char *text, size_t len) {
  looking *l = sink;
  peri_bytes key = {(const uint8_t *)text, len};
  if (l->depth == 1) {
    l->asked = peri_bytes_equal(key, peri_bytes_of(GENERIC)) ? &l->generic
               : peri_bytes_equal(key, peri_bytes_of(TEXT))  ? &l->text
                                                             : NULL;
  }
  return 0;
}

static int on_any_key(void *sink) {
  return on_key(sink, "", 0);
}

static int on_type(void *sink, const char *name, size_t len) {
  (void)sink;
  (void)name;
  (void)len;
  return 0;
}

static const peri_sink_ops ops = {
    .null = on_null,
    .boolean = on_boolean,
    .integer = on_integer,
    .uinteger = on_uinteger,
    .number = on_number,
    .string = on_string,
    .bytes = on_bytes,
    .list_begin = on_begin,
    .list_end = on_end,
    .map_begin = on_begin,
    .key = on_key,
    .any_key = on_any_key,
    .map_end = on_end,
    .type = on_type,
};

bool joy_is_generic(const peri_event *event, const peri_value_limits *limits) {
  peri_bytes map = event->attachments;
  const peri_serializer *serializer = peri_serializer_by_id(event->attachments_ser);
  if (map.len < sizeof GENERIC || memmem(map.ptr, map.len, GENERIC, sizeof GENERIC - 1) == NULL ||
      serializer == NULL) {
    return false;
  }
  looking l = {.depth = 0};
  peri_sink sink = {&ops, &l};
  return serializer->decode(map, limits, &sink, NULL, NULL) == 0 && l.generic && !l.text;
}
