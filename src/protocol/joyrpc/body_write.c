// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <stdio.h>

#include "protocol/joyrpc/body.h"

#define CALL(writer, call, ...)                                                                    \
  ((writer)->code = (writer)->code != 0                                                            \
                        ? (writer)->code                                                           \
                        : (writer)->sink.ops->call((writer)->sink.self, ##__VA_ARGS__))

void joy_writer_begin(joy_writer *writer, const peri_serializer *serializer,
                      const peri_value_limits *limits, const char *class_name, peri_buf *out) {
  writer->serializer = serializer;
  writer->code = 0;
  serializer->encoder_init(&writer->encoder, out, limits, NULL, &writer->sink);
  if (writer->sink.ops->type != NULL) {
    // 1 asks for the fields of an object; without them it is a map of that class, which Java reads
    // as well.
    CALL(writer, type, class_name, strlen(class_name));
    writer->code = writer->code > 0 ? 0 : writer->code;
  }
  CALL(writer, map_begin, PERI_COUNT_UNKNOWN);
}

void joy_writer_key(joy_writer *writer, const char *key) {
  CALL(writer, key, key, strlen(key));
}

void joy_writer_item(joy_writer *writer, const char *text) {
  if (text == NULL) {
    CALL(writer, null);
  } else {
    CALL(writer, string, text, strlen(text));
  }
}

void joy_writer_text(joy_writer *writer, const char *key, const char *text) {
  joy_writer_key(writer, key);
  joy_writer_item(writer, text);
}

void joy_writer_number(joy_writer *writer, const char *key, int64_t number) {
  joy_writer_key(writer, key);
  CALL(writer, integer, number);
}

void joy_writer_decimal(joy_writer *writer, const char *key, uint64_t number) {
  char text[24];
  snprintf(text, sizeof text, "%" PRIu64, number);
  joy_writer_text(writer, key, text);
}

void joy_writer_map(joy_writer *writer, const char *key) {
  joy_writer_key(writer, key);
  CALL(writer, map_begin, PERI_COUNT_UNKNOWN);
}

void joy_writer_map_end(joy_writer *writer) {
  CALL(writer, map_end);
}

void joy_writer_list(joy_writer *writer, const char *key) {
  joy_writer_key(writer, key);
  CALL(writer, list_begin, PERI_COUNT_UNKNOWN);
}

void joy_writer_list_end(joy_writer *writer) {
  CALL(writer, list_end);
}

void joy_writer_pairs(joy_writer *writer, const char *const *pairs) {
  for (; pairs != NULL && pairs[0] != NULL; pairs += 2) {
    joy_writer_text(writer, pairs[0], pairs[1]);
  }
}

int joy_writer_end(joy_writer *writer) {
  joy_writer_map_end(writer);
  return writer->code != 0 ? writer->code : writer->serializer->encoder_finish(&writer->encoder);
}
