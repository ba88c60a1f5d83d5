// SPDX-License-Identifier: MIT
// redis ECHO, and CALL of a Lua function over Tarantool's binary protocol.
#include <stdio.h>
#include <string.h>

#include "wire.h"

// ---- redis --------------------------------------------------------------------------------------

static size_t put_text(uint8_t *out, const char *text) {
  size_t n = strlen(text);
  memcpy(out, text, n);
  return n;
}

static size_t put_number(uint8_t *out, size_t number) {
  uint8_t digits[20];
  size_t count = 0;
  do {
    digits[count++] = (uint8_t)('0' + number % 10);
    number /= 10;
  } while (number);
  for (size_t i = 0; i < count; i++) {
    out[i] = digits[count - 1 - i];
  }
  return count;
}

static int redis_handshake(int fd, const bench_wire_conf *conf) {
  char pong[7];
  (void)conf;
  if (bench_wire_write(fd, "PING\r\n", 6) < 0 || bench_wire_read(fd, pong, sizeof pong) < 0 ||
      memcmp(pong, "+PONG\r\n", sizeof pong) != 0) {
    fputs("load: no redis answers there\n", stderr);
    return -1;
  }
  return 0;
}

static size_t redis_encode(const bench_wire_conf *conf, uint32_t id, uint64_t seed, uint8_t *out) {
  (void)id;
  size_t n = put_text(out, "*2\r\n$4\r\nECHO\r\n$");
  n += put_number(out + n, conf->bytes);
  n += put_text(out + n, "\r\n");
  n += bench_payload_encode(BENCH_OPAQUE, conf->bytes, seed, out + n);
  return n + put_text(out + n, "\r\n");
}

static long redis_decode(const bench_wire_conf *conf, const uint8_t *bytes, size_t n,
                         bench_reply *reply, size_t *need) {
  (void)conf;
  const uint8_t *end = memchr(bytes, '\n', n < 512 ? n : 512);
  *need = 0;
  if (!end) {
    return n < 512 ? 0 : -1;
  }
  size_t head = (size_t)(end - bytes) + 1;
  if (bytes[0] == '-') {
    *reply = (bench_reply){.text = (const char *)bytes + 1, .text_len = head - 3};
    return (long)head;
  }
  if (bytes[0] != '$' || head < 4) {
    return -1;
  }
  size_t length = 0;
  for (size_t i = 1; i < head - 2; i++) {
    if (bytes[i] < '0' || bytes[i] > '9') {
      return -1;
    }
    length = length * 10 + (size_t)(bytes[i] - '0');
  }
  if (head + length + 2 > n) {
    *need = head + length + 2;
    return 0;
  }
  *reply = (bench_reply){.ok = 1, .payload = bytes + head, .n = length};
  return (long)(head + length + 2);
}

const bench_wire bench_wire_redis = {"redis", 1, redis_handshake, redis_encode, redis_decode};

// ---- tarantool ----------------------------------------------------------------------------------

enum {
  GREETING = 128,
  PREFIX = 5,
  CALL = 0x0a,
  KEY_CODE = 0x00,
  KEY_SYNC = 0x01,
  KEY_TUPLE = 0x21,
  KEY_FUNCTION = 0x22,
  KEY_DATA = 0x30,
};

static int tarantool_handshake(int fd, const bench_wire_conf *conf) {
  char greeting[GREETING];
  (void)conf;
  if (bench_wire_read(fd, greeting, GREETING) < 0 || memcmp(greeting, "Tarantool", 9) != 0) {
    fputs("load: no Tarantool answers there\n", stderr);
    return -1;
  }
  return 0;
}

static size_t tarantool_encode(const bench_wire_conf *conf, uint32_t id, uint64_t seed,
                               uint8_t *out) {
  static const uint8_t head[] = {0x82, KEY_CODE, CALL, KEY_SYNC, 0xce};
  static const uint8_t body[] = {0x82, KEY_FUNCTION, 0xa4, 'e', 'c', 'h', 'o', KEY_TUPLE, 0x91};
  uint8_t *p = out + PREFIX;
  memcpy(p, head, sizeof head);
  bench_put32(p + sizeof head, id);
  p += sizeof head + 4;
  memcpy(p, body, sizeof body);
  p += sizeof body;
  p += bench_payload_encode(BENCH_MSGPACK_STR, conf->bytes, seed, p);
  out[0] = 0xce;
  bench_put32(out + 1, (uint32_t)(p - out) - PREFIX);
  return (size_t)(p - out);
}

// Reads an unsigned integer; returns the bytes it took, 0 when it is none.
static size_t get_uint(const uint8_t *p, const uint8_t *end, uint64_t *value) {
  if (p >= end) {
    return 0;
  }
  if (*p < 0x80) {
    *value = *p;
    return 1;
  }
  if (*p < 0xcc || *p > 0xcf) {
    return 0;
  }
  size_t width = (size_t)1 << (*p - 0xcc);
  if ((size_t)(end - p) < width + 1) {
    return 0;
  }
  *value = 0;
  for (size_t i = 1; i <= width; i++) {
    *value = *value << 8 | p[i];
  }
  return width + 1;
}

// The header is a map of unsigned integers: code, sync, schema version.
static const uint8_t *read_head(const uint8_t *p, const uint8_t *end, bench_reply *reply) {
  if (p >= end || (*p & 0xf0) != 0x80) {
    return NULL;
  }
  for (int left = *p++ & 0x0f; left > 0; left--) {
    uint64_t key = 0;
    uint64_t value = 0;
    size_t used = get_uint(p, end, &key);
    p += used;
    size_t more = used ? get_uint(p, end, &value) : 0;
    if (!more) {
      return NULL;
    }
    p += more;
    if (key == KEY_SYNC) {
      reply->id = (uint32_t)value;
    } else if (key == KEY_CODE) {
      reply->ok = value == 0;
    }
  }
  return p;
}

// The body is {DATA: [result]}; the list's length comes in one to five bytes.
static int read_result(const uint8_t *p, const uint8_t *end, bench_reply *reply) {
  if (end - p < 4 || p[0] != 0x81) {
    return -1;
  }
  if (!reply->ok) {
    reply->text = (const char *)p;
    reply->text_len = (size_t)(end - p);
    return 0;
  }
  if (p[1] != KEY_DATA) {
    return -1;
  }
  p += 2;
  size_t list = (*p & 0xf0) == 0x90 ? 1 : *p == 0xdc ? 3 : *p == 0xdd ? 5 : 0;
  if (!list || (size_t)(end - p) < list) {
    return -1;
  }
  reply->payload = p + list;
  reply->n = (size_t)(end - p) - list;
  return 0;
}

static long tarantool_decode(const bench_wire_conf *conf, const uint8_t *bytes, size_t n,
                             bench_reply *reply, size_t *need) {
  (void)conf;
  if (n < PREFIX) {
    *need = PREFIX;
    return 0;
  }
  if (bytes[0] != 0xce) {
    return -1;
  }
  size_t frame = (size_t)bench_get32(bytes + 1) + PREFIX;
  if (frame > n) {
    *need = frame;
    return 0;
  }
  *reply = (bench_reply){0};
  const uint8_t *end = bytes + frame;
  const uint8_t *body = read_head(bytes + PREFIX, end, reply);
  return body && read_result(body, end, reply) == 0 ? (long)frame : -1;
}

const bench_wire bench_wire_tarantool = {"tarantool", 0, tarantool_handshake, tarantool_encode,
                                         tarantool_decode};
