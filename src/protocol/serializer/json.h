// SPDX-License-Identifier: MIT
// What the parts of the JSON codec share: RFC 8259, strict UTF-8, integers of 64 bits exact, bytes
// as base64 text.
#pragma once
#include "protocol/serializer.h"

enum { PERI_JSON_ENCODER_SIZE = 512 };  // of the memory an encoder takes

void peri_json_encoder_init(void *encoder, peri_buf *out, const peri_value_limits *limits,
                            peri_err *err, peri_sink *sink);
int peri_json_encoder_finish(void *encoder);
int peri_json_decode(peri_bytes in, const peri_value_limits *limits, peri_sink *sink, size_t *used,
                     peri_err *err);

int peri_json_read_request(peri_bytes body, const peri_value_limits *limits, peri_buf *scratch,
                           peri_envelope *out, peri_err *err);
int peri_json_read_reply(peri_bytes body, const peri_value_limits *limits, peri_buf *scratch,
                         peri_reply_envelope *out, peri_err *err);
int peri_json_begin_request(peri_buf *out, const peri_envelope *envelope);
int peri_json_end_request(peri_buf *out, const peri_envelope *envelope);
int peri_json_begin_reply(peri_buf *out, const peri_reply_envelope *envelope);
int peri_json_end_reply(peri_buf *out, const peri_reply_envelope *envelope);

// Appends `text` with quotes and escapes. Returns 0, or PERI_EBAD_REQUEST when it is not UTF-8
// (then something may have been appended).
int peri_json_add_string(peri_buf *out, peri_bytes text);
// Appends `text`, whose bytes that are not UTF-8 become U+FFFD: for messages, which must get
// through.
void peri_json_add_text(peri_buf *out, peri_bytes text);

// One string of the input. `at` points behind the opening quote; receives the place behind the
// closing one. The text is borrowed from the input, or from `scratch` when it had escapes (appended
// there). Returns NULL, or what is wrong, with `at` at the place.
const char *peri_json_read_string(const uint8_t **at, const uint8_t *end, peri_buf *scratch,
                                  peri_bytes *text);

// The number at `at`, which begins with '-' or a digit. An exact integer when it is written like
// one.
typedef struct peri_json_number {
  enum { PERI_JSON_INT, PERI_JSON_UINT, PERI_JSON_DOUBLE } kind;
  union {
    int64_t i;
    uint64_t u;
    double d;
  };
} peri_json_number;

const char *peri_json_read_number(const uint8_t **at, const uint8_t *end, peri_json_number *number);
// Appends the shortest text that reads back as the same (finite) double; always with '.' or 'e'.
void peri_json_add_double(peri_buf *out, double value);
void peri_json_add_uint(peri_buf *out, uint64_t value);
