// SPDX-License-Identifier: MIT
// The bodies of negotiation and authentication. Their fields have distinct names, so that one reader
// serves all four messages, in whatever serialization the peer chose; what is not known is skipped.
#pragma once
#include "protocol/joyrpc/joyrpc.h"

enum { JOY_CHOICES = 16, JOY_TEXT = 1024 };

typedef struct joy_body {
  bool perilune;                      // attribute perilune = 1
  bool wants_compression;             // named one, known or not
  const peri_serializer *serializer;  // the named one, NULL = none or unknown
  const peri_compression *compression;
  const peri_serializer *our_serializer;  // named in our attributes, before the other
  const peri_compression *our_compression;
  const peri_serializer *serializers[JOY_CHOICES];  // of the lists, those known here
  const peri_compression *compressions[JOY_CHOICES];
  uint8_t serializer_count, compression_count;
  int status;
  uint32_t session_timeout_ms;
  uint64_t remote_start_ms;
  peri_buf iface, alias, message, type;  // owned text
  peri_buf compression_name;             // as asked for, for messages
  peri_buf attributes;                   // msgpack map
} joy_body;

// Reads `in`, an object of the class; 0 or a code with its reason in `err`. `body` needs
// joy_body_fini in either case.
int joy_body_read(const char *class_name, const peri_serializer *serializer, peri_bytes in,
                  joy_body *body, peri_err *err);
void joy_body_fini(joy_body *body);

// A writer of one map: `string` members and lists, over the serializer's encoder.
typedef struct joy_writer {
  peri_encoder encoder;
  const peri_serializer *serializer;
  peri_sink sink;
  int code;  // first failure
} joy_writer;

void joy_writer_begin(joy_writer *writer, const peri_serializer *serializer,
                      const peri_value_limits *limits, const char *class_name, peri_buf *out);
void joy_writer_key(joy_writer *writer, const char *key);
void joy_writer_text(joy_writer *writer, const char *key, const char *text);  // NULL = null
void joy_writer_number(joy_writer *writer, const char *key, int64_t number);
// Numbers in attributes are decimal text.
void joy_writer_decimal(joy_writer *writer, const char *key, uint64_t number);
void joy_writer_map(joy_writer *writer, const char *key);
void joy_writer_map_end(joy_writer *writer);
void joy_writer_list(joy_writer *writer, const char *key);
void joy_writer_item(joy_writer *writer, const char *text);
void joy_writer_list_end(joy_writer *writer);
void joy_writer_pairs(joy_writer *writer, const char *const *pairs);  // NULL = none
// 0 or the first failure.
int joy_writer_end(joy_writer *writer);
