// SPDX-License-Identifier: MIT
// Native frames of a negotiated session, and the floor's frames, which are as long as the native
// ones so that both servers move the same bytes.
//
//   request body: u16 head | u8 flags | u8 method length, method | arguments
//   reply body:   u16 head | u8 flags | u8 status | ... | result
#include <string.h>

#include "joy_frame.h"

enum {
  REQUEST_HEAD = 4,  // u16 head, flags, method length
  JSON = 13,
  RAW = 110,
  MSGPACK = 111,
  FLAG_MESSAGE = 2,
};

static uint8_t serialization_of(const bench_wire_conf *conf) {
  return conf->serializer[0] == 'r' ? RAW : conf->serializer[0] == 'm' ? MSGPACK : JSON;
}

static size_t write_method(const bench_wire_conf *conf, uint64_t seed, uint8_t *out) {
  size_t n = strlen(conf->method);
  memcpy(out, conf->method, n);
  if (conf->methods < 2) {
    if (conf->methods) {
      out[n++] = '0';
    }
    return n;
  }
  char digits[12];
  int count = 0;
  unsigned number = (unsigned)(seed % conf->methods);
  do {
    digits[count++] = (char)('0' + number % 10);
    number /= 10;
  } while (number);
  while (count) {
    out[n++] = (uint8_t)digits[--count];
  }
  return n;
}

// Arguments are one list, except in raw, where they are the argument itself.
static size_t write_arguments(const bench_wire_conf *conf, uint64_t seed, uint8_t *out) {
  switch (serialization_of(conf)) {
  case MSGPACK:
    out[0] = 0x91;
    return 1 + bench_payload_encode(conf->kind, conf->bytes, seed, out + 1);
  case JSON: {
    out[0] = '[';
    size_t n = bench_payload_encode(conf->kind, conf->bytes, seed, out + 1);
    out[n + 1] = ']';
    return n + 2;
  }
  default: return bench_payload_encode(conf->kind, conf->bytes, seed, out);
  }
}

static size_t encode(const bench_wire_conf *conf, uint32_t id, uint64_t seed, uint8_t *out) {
  uint8_t *body = out + BENCH_JOY_HEADER;
  size_t method = write_method(conf, seed, body + REQUEST_HEAD);
  bench_put16(body, (uint32_t)(2 + method));
  body[2] = 0;
  body[3] = (uint8_t)method;
  size_t head = BENCH_JOY_HEADER + REQUEST_HEAD + method;
  size_t frame = head + write_arguments(conf, seed, out + head);
  bench_joy_header(out, frame, BENCH_JOY_REQUEST, id, serialization_of(conf), conf->timeout_ms);
  return frame;
}

static long decode_body(const uint8_t *body, size_t n, bench_reply *reply) {
  // A reply without a body is "nothing", which no echo answers.
  if (n < 4 || bench_get16(body) < 2 || bench_get16(body) + 2u > n) {
    return -1;
  }
  size_t head = bench_get16(body) + 2u;
  reply->ok = body[3] == 0;
  if (body[2] & FLAG_MESSAGE && head >= 6) {
    size_t text = bench_get16(body + 4);
    reply->text = (const char *)body + 6;
    reply->text_len = text > head - 6 ? head - 6 : text;
  }
  reply->payload = body + head;
  reply->n = n - head;
  return 0;
}

static long decode(const bench_wire_conf *conf, const uint8_t *bytes, size_t n, bench_reply *reply,
                   size_t *need) {
  (void)conf;
  long frame = bench_joy_cut(bytes, n, reply, need);
  return frame > 0 && decode_body(reply->payload, reply->n, reply) < 0 ? -1 : frame;
}

static int handshake(int fd, const bench_wire_conf *conf) {
  return bench_joy_negotiate(fd, conf, conf->serializer, "\"perilune\":\"1\",");
}

const bench_wire bench_wire_perilune = {"perilune", 0, handshake, encode, decode};

// ---- the floor ----------------------------------------------------------------------------------

static int floor_handshake(int fd, const bench_wire_conf *conf) {
  (void)fd;
  (void)conf;
  return 0;
}

// The native frame with a u32 length where its magic and its length are.
static size_t floor_encode(const bench_wire_conf *conf, uint32_t id, uint64_t seed, uint8_t *out) {
  size_t frame = encode(conf, id, seed, out);
  bench_put32(out, (uint32_t)frame - 4);
  bench_put16(out + 4, 0);
  return frame;
}

static long floor_decode(const bench_wire_conf *conf, const uint8_t *bytes, size_t n,
                         bench_reply *reply, size_t *need) {
  if (n < 4) {
    *need = BENCH_JOY_HEADER;
    return 0;
  }
  size_t frame = (size_t)bench_get32(bytes) + 4;
  if (frame < BENCH_JOY_HEADER + REQUEST_HEAD || frame > BENCH_JOY_LIMIT) {
    return -1;
  }
  if (frame > n) {
    *need = frame;
    return 0;
  }
  *reply = (bench_reply){.id = bench_get32(bytes + 9), .ok = 1};
  size_t head = BENCH_JOY_HEADER + 2u + bench_get16(bytes + BENCH_JOY_HEADER);
  if (head > frame) {
    return -1;
  }
  // Of a list of one argument the echo that a server of calls would send is the argument.
  size_t open = serialization_of(conf) != RAW;
  size_t shut = serialization_of(conf) == JSON;
  reply->payload = bytes + head + open;
  reply->n = frame - head - open - shut;
  return (long)frame;
}

const bench_wire bench_wire_floor = {"floor", 0, floor_handshake, floor_encode, floor_decode};
