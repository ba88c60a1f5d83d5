// SPDX-License-Identifier: MIT
// What stock Java consumers say: JoyRPC's frames on a negotiated session and Dubbo 2's messages,
// both with Hessian bodies as they were recorded from the real ones, calling
// `String echoString(String)` of demo.Probe (or the method and interface that were given).
#include <string.h>

#include "joy_frame.h"

enum {
  HESSIAN = 2,
  DUBBO_HEADER = 16,
  DUBBO_REQUEST = 0xc2,  // two-way, Hessian
  DUBBO_OK = 20,
  FRAME_LIMIT = 64 * 1024 * 1024,
  // Hessian: the end of each form of a text
  TINY = 32,
  SHORT = 1024,
  CHUNK = 0x8000,
};

static uint8_t *put(uint8_t *out, const void *bytes, size_t n) {
  memcpy(out, bytes, n);
  return out + n;
}

#define PUT(out, literal) put(out, literal, sizeof(literal) - 1)

static uint8_t *put_head(uint8_t *out, size_t n) {
  if (n < TINY) {
    *out = (uint8_t)n;
    return out + 1;
  }
  if (n < SHORT) {
    bench_put16(out, 0x3000u | (uint32_t)n);
    return out + 2;
  }
  *out = 'S';
  bench_put16(out + 1, (uint32_t)n);
  return out + 3;
}

static uint8_t *put_text(uint8_t *out, const char *text) {
  size_t n = strlen(text);
  return put(put_head(out, n), text, n);
}

// The one argument; longer ones would take chunks.
static uint8_t *put_argument(uint8_t *out, size_t bytes, uint64_t seed) {
  size_t n = bytes < CHUNK ? bytes : CHUNK - 1;
  out = put_head(out, n);
  return out + bench_payload_encode(BENCH_OPAQUE, n, seed, out);
}

typedef struct value {
  const uint8_t *text;  // NULL for null
  size_t n;
} value;

// Reads a text or a null of ASCII; returns what follows, NULL when it is something else.
static const uint8_t *get_text(const uint8_t *p, const uint8_t *end, value *out) {
  *out = (value){0};
  if (p >= end) {
    return NULL;
  }
  if (*p == 'N') {
    return p + 1;
  }
  if (*p < TINY) {
    out->n = *p++;
  } else if (*p >= 0x30 && *p <= 0x33 && end - p > 1) {
    out->n = bench_get16(p) & 0x3ffu;
    p += 2;
  } else if (*p == 'S' && end - p > 2) {
    out->n = bench_get16(p + 1);
    p += 3;
  } else {
    return NULL;
  }
  out->text = p;
  return out->n <= (size_t)(end - p) ? p + out->n : NULL;
}

static int is(value it, const char *text) {
  return it.n == strlen(text) && memcmp(it.text, text, it.n) == 0;
}

static void fail(bench_reply *reply, const uint8_t *text, const uint8_t *end) {
  reply->ok = 0;
  reply->text = (const char *)text;
  reply->text_len = (size_t)(end - text);
}

// ---- JoyRPC -------------------------------------------------------------------------------------

static size_t joyrpc_encode(const bench_wire_conf *conf, uint32_t id, uint64_t seed, uint8_t *out) {
  uint8_t *p = out + BENCH_JOY_HEADER;
  p = PUT(p, "C\x30\x25io.joyrpc.protocol.message.Invocation\x96\x0b"
             "attachments\x04"
             "args\x08"
             "argsType\x0amethodName\x05"
             "alias\x09"
             "className`HZq\x07[object");
  p = put_argument(p, conf->bytes, seed);
  p = PUT(p, "q\x07[string\x10java.lang.String");
  p = put_text(p, conf->method);
  p = PUT(p, "NN");
  size_t frame = (size_t)(p - out);
  bench_joy_header(out, frame, BENCH_JOY_REQUEST, id, HESSIAN, conf->timeout_ms);
  return frame;
}

// An object of a class with two fields, response and exception, in the order its definition says.
static void joyrpc_read(const uint8_t *p, const uint8_t *end, bench_reply *reply) {
  const uint8_t *body = p;
  value name;
  value fields[2];
  p = p < end && *p == 'C' ? get_text(p + 1, end, &name) : NULL;
  if (!p || p >= end || *p++ != 0x92 || !(p = get_text(p, end, &fields[0])) ||
      !(p = get_text(p, end, &fields[1])) || p >= end || *p++ != 0x60) {
    fail(reply, body, end);
    return;
  }
  int first = is(fields[0], "response");
  const uint8_t *next = get_text(p, end, &fields[0]);
  if (!next || !get_text(next, end, &fields[1]) || fields[first].text || !fields[!first].text) {
    fail(reply, p, end);
    return;
  }
  reply->ok = 1;
  reply->payload = fields[!first].text;
  reply->n = fields[!first].n;
}

static long joyrpc_decode(const bench_wire_conf *conf, const uint8_t *bytes, size_t n,
                          bench_reply *reply, size_t *need) {
  (void)conf;
  long frame = bench_joy_cut(bytes, n, reply, need);
  if (frame > 0) {
    joyrpc_read(reply->payload, bytes + frame, reply);
  }
  return frame;
}

static int joyrpc_handshake(int fd, const bench_wire_conf *conf) {
  return bench_joy_negotiate(fd, conf, "hessian", "");
}

const bench_wire bench_wire_joyrpc = {"joyrpc", 0, joyrpc_handshake, joyrpc_encode, joyrpc_decode};

// ---- Dubbo --------------------------------------------------------------------------------------

static int dubbo_handshake(int fd, const bench_wire_conf *conf) {
  (void)fd;
  (void)conf;
  return 0;
}

static size_t dubbo_encode(const bench_wire_conf *conf, uint32_t id, uint64_t seed, uint8_t *out) {
  uint8_t *p = out + DUBBO_HEADER;
  p = PUT(p, "\x05"
             "2.0.2");
  p = put_text(p, conf->interface);
  p = PUT(p, "\x05"
             "0.0.0");
  p = put_text(p, conf->method);
  p = PUT(p, "\x12Ljava/lang/String;");
  p = put_argument(p, conf->bytes, seed);
  p = PUT(p, "H\x04path");
  p = put_text(p, conf->interface);
  p = PUT(p, "\x12remote.application\x08"
             "consumer\x09interface");
  p = put_text(p, conf->interface);
  p = PUT(p, "\x07version\x05"
             "0.0.0\x05group");
  p = put_text(p, conf->alias);
  p = PUT(p, "Z");
  PUT(out, "\xda\xbb");
  out[2] = DUBBO_REQUEST;
  out[3] = 0;
  bench_put32(out + 4, 0);
  bench_put32(out + 8, id);
  bench_put32(out + 12, (uint32_t)(p - out) - DUBBO_HEADER);
  return (size_t)(p - out);
}

static long dubbo_decode(const bench_wire_conf *conf, const uint8_t *bytes, size_t n,
                         bench_reply *reply, size_t *need) {
  (void)conf;
  if (n < DUBBO_HEADER) {
    *need = DUBBO_HEADER;
    return 0;
  }
  size_t frame = (size_t)bench_get32(bytes + 12) + DUBBO_HEADER;
  // No requests and no events come to a consumer that is busy.
  if (bytes[0] != 0xda || bytes[1] != 0xbb || bytes[2] & 0xa0 || frame > FRAME_LIMIT) {
    return -1;
  }
  if (frame > n) {
    *need = frame;
    return 0;
  }
  *reply = (bench_reply){.id = bench_get32(bytes + 8)};
  const uint8_t *body = bytes + DUBBO_HEADER;
  const uint8_t *end = bytes + frame;
  value it;
  // 1: a value, 4: a value and attachments.
  if (bytes[3] == DUBBO_OK && body < end && (*body == 0x91 || *body == 0x94) &&
      get_text(body + 1, end, &it) && it.text) {
    *reply = (bench_reply){.id = reply->id, .ok = 1, .payload = it.text, .n = it.n};
  } else {
    fail(reply, body, end);
  }
  return (long)frame;
}

const bench_wire bench_wire_dubbo = {"dubbo", 0, dubbo_handshake, dubbo_encode, dubbo_decode};
