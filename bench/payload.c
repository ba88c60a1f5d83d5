// SPDX-License-Identifier: MIT
#include "payload.h"

#include <string.h>

enum { MARK = 32, NAME = 16, OVERHEAD = 128, FIELDS = 5 };

typedef struct field {
  const uint8_t *at;
  size_t n;
} field;

size_t bench_payload_bound(size_t bytes) {
  return bytes + OVERHEAD;
}

static uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// Letters a to p: printable in every protocol, and 4 bits of the seed in each.
static void write_letters(uint64_t seed, uint8_t *out, size_t n) {
  for (size_t i = 0; i < n; i += 8) {
    uint64_t x = (mix(seed + i) & 0x0f0f0f0f0f0f0f0fu) + 0x6161616161616161u;
    memcpy(out + i, &x, n - i < 8 ? n - i : 8);
  }
}

// Long payloads differ in their first and last bytes only: making them must not cost more than
// sending them.
static void write_text(uint64_t seed, uint8_t *out, size_t n) {
  if (n <= 2 * MARK) {
    write_letters(seed, out, n);
    return;
  }
  write_letters(seed, out, MARK);
  memset(out + MARK, 'x', n - 2 * MARK);
  write_letters(seed ^ 0x5555, out + n - MARK, MARK);
}

static uint8_t *put(uint8_t *out, const void *bytes, size_t n) {
  memcpy(out, bytes, n);
  return out + n;
}

static uint32_t id_of(uint64_t seed) {
  return 100000 + (uint32_t)(mix(seed) % 900000);
}

static size_t encode_str(size_t bytes, uint64_t seed, uint8_t *out) {
  uint8_t *p = out;
  if (bytes < 32) {
    *p++ = (uint8_t)(0xa0 | bytes);
  } else if (bytes < 256) {
    *p++ = 0xd9;
    *p++ = (uint8_t)bytes;
  } else {
    int wide = bytes > 0xffff;
    *p++ = wide ? 0xdb : 0xda;
    for (int shift = wide ? 24 : 8; shift >= 0; shift -= 8) {
      *p++ = (uint8_t)(bytes >> shift);
    }
  }
  write_text(seed, p, bytes);
  return (size_t)(p - out) + bytes;
}

static size_t encode_msgpack_map(uint64_t seed, uint8_t *out, field *fields) {
  uint32_t id = id_of(seed);
  uint8_t number[] = {(uint8_t)(id >> 24), (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id};
  uint8_t *p = put(out, "\x85", 1);
  uint8_t *starts[FIELDS + 1] = {p};
  p = put(put(p, "\xa2id\xce", 4), number, 4);
  starts[1] = p;
  p = put(p, "\xa4name\xb0", 6);
  write_letters(seed, p, NAME);
  p += NAME;
  starts[2] = p;
  p = put(p, "\xa5price\xcb\x40\x33\xfd\x70\xa3\xd7\x0a\x3d", 15);  // 19.99, which no float32 is
  starts[3] = p;
  p = put(p,
          "\xa6"
          "active\xc3",
          8);
  starts[4] = p;
  p = put(p, "\xa4tags\x93\xa1x\xa2yy\xa3zzz", 15);
  starts[5] = p;
  for (int i = 0; fields && i < FIELDS; i++) {
    fields[i] = (field){starts[i], (size_t)(starts[i + 1] - starts[i])};
  }
  return (size_t)(p - out);
}

static size_t encode_json_map(uint64_t seed, uint8_t *out, field *fields) {
  uint32_t id = id_of(seed);
  uint8_t *p = put(out, "{", 1);
  uint8_t *starts[FIELDS + 1] = {p};
  p = put(p, "\"id\":", 5);
  for (uint32_t unit = 100000; unit; unit /= 10) {
    *p++ = (uint8_t)('0' + id / unit % 10);
  }
  *p++ = ',';
  starts[1] = p;
  p = put(p, "\"name\":\"", 8);
  write_letters(seed, p, NAME);
  p = put(p + NAME, "\",", 2);
  starts[2] = p;
  p = put(p, "\"price\":19.99,", 14);
  starts[3] = p;
  p = put(p, "\"active\":true,", 14);
  starts[4] = p;
  p = put(p, "\"tags\":[\"x\",\"yy\",\"zzz\"]}", 24);
  starts[5] = p;
  // What separates the fields depends on their order, so it is no part of what is looked for.
  for (int i = 0; fields && i < FIELDS; i++) {
    fields[i] = (field){starts[i], (size_t)(starts[i + 1] - starts[i]) - 1};
  }
  return (size_t)(p - out);
}

size_t bench_payload_encode(bench_kind kind, size_t bytes, uint64_t seed, uint8_t *out) {
  switch (kind) {
  case BENCH_MSGPACK_STR: return encode_str(bytes, seed, out);
  case BENCH_MSGPACK_MAP: return encode_msgpack_map(seed, out, NULL);
  case BENCH_JSON_MAP: return encode_json_map(seed, out, NULL);
  case BENCH_OPAQUE: break;
  }
  write_text(seed, out, bytes);
  return bytes;
}

static int check_text(size_t bytes, uint64_t seed, const uint8_t *got) {
  uint8_t mark[2 * MARK];
  if (bytes <= 2 * MARK) {
    write_letters(seed, mark, bytes);
    return memcmp(mark, got, bytes) == 0;
  }
  write_letters(seed, mark, MARK);
  write_letters(seed ^ 0x5555, mark + MARK, MARK);
  return memcmp(mark, got, MARK) == 0 && memcmp(mark + MARK, got + bytes - MARK, MARK) == 0 &&
         got[bytes / 2] == 'x';
}

static int check_fields(const field *fields, const uint8_t *got, size_t n) {
  for (int i = 0; i < FIELDS; i++) {
    if (!memmem(got, n, fields[i].at, fields[i].n)) {
      return 0;
    }
  }
  return 1;
}

int bench_payload_check(bench_kind kind, size_t bytes, uint64_t seed, const uint8_t *got,
                        size_t n) {
  uint8_t wanted[OVERHEAD];
  field fields[FIELDS];
  size_t size;
  switch (kind) {
  case BENCH_MSGPACK_STR:
    size = n - bytes;
    return n > bytes && size <= 5 && (got[0] >= 0xa0 && got[0] <= 0xdb) &&
           check_text(bytes, seed, got + size);
  case BENCH_MSGPACK_MAP:
    size = encode_msgpack_map(seed, wanted, fields);
    return n == size && check_fields(fields, got, n);
  case BENCH_JSON_MAP:
    size = encode_json_map(seed, wanted, fields);
    return n == size && check_fields(fields, got, n);
  case BENCH_OPAQUE: break;
  }
  return n == bytes && check_text(bytes, seed, got);
}
