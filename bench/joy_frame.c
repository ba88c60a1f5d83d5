// SPDX-License-Identifier: MIT
#include "joy_frame.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NEGOTIATE = 8, NEGOTIATED = 9, JSON = 13, SESSION = 1, ANSWER_LIMIT = 64 * 1024 };

void bench_joy_header(uint8_t *p, size_t frame, uint8_t type, uint32_t id, uint8_t serialization,
                      uint32_t timeout_ms) {
  p[0] = 0xad;
  p[1] = 0xd0;
  bench_put32(p + 2, (uint32_t)frame - 2);
  bench_put16(p + 6, BENCH_JOY_HEADER - 6);
  p[8] = type;
  bench_put32(p + 9, id);
  bench_put32(p + 13, SESSION);
  p[17] = serialization;
  p[18] = 0;
  bench_put32(p + 19, timeout_ms);
  p[23] = 0;
}

// The whole length of the frame; 0 when these bytes begin none.
static size_t frame_size(const uint8_t *bytes) {
  size_t frame = (size_t)bench_get32(bytes + 2) + 2;
  int sound =
      bytes[0] == 0xad && bytes[1] == 0xd0 && frame >= BENCH_JOY_HEADER && frame <= BENCH_JOY_LIMIT;
  return sound ? frame : 0;
}

long bench_joy_cut(const uint8_t *bytes, size_t n, bench_reply *reply, size_t *need) {
  if (n < BENCH_JOY_HEADER) {
    *need = BENCH_JOY_HEADER;
    return 0;
  }
  size_t frame = frame_size(bytes);
  if (frame > n) {
    *need = frame;
    return 0;
  }
  size_t head = 6u + bench_get16(bytes + 6);
  if (frame == 0 || bytes[8] != BENCH_JOY_REPLY || head < BENCH_JOY_HEADER || head > frame) {
    return -1;
  }
  *reply = (bench_reply){.id = bench_get32(bytes + 9), .payload = bytes + head, .n = frame - head};
  return (long)frame;
}

static int refuse(const char *why, const char *text) {
  fprintf(stderr, "load: the server %s: %s\n", why, text);
  return -1;
}

// A refusal has status 1.
static int agrees(const char *answer, const char *serialization) {
  char wanted[64];
  snprintf(wanted, sizeof wanted, "\"serialization\":\"%s\"", serialization);
  return strstr(answer, wanted) && !strstr(answer, "\"status\":1");
}

static int read_answer(int fd, size_t n, const char *serialization) {
  char *answer = calloc(1, n + 1);
  int rc = answer ? bench_wire_read(fd, answer, n) : -1;
  if (rc == 0 && !agrees(answer, serialization)) {
    rc = refuse("refused the negotiation", answer);
  }
  free(answer);
  return rc;
}

int bench_joy_negotiate(int fd, const bench_wire_conf *conf, const char *serialization,
                        const char *extra) {
  uint8_t bytes[1024];
  int body = snprintf((char *)bytes + BENCH_JOY_HEADER, sizeof bytes - BENCH_JOY_HEADER,
                      "{\"serialization\":\"%s\",\"serializations\":[\"%s\"],\"compressions\":[],"
                      "\"checksums\":[],\"attributes\":{\"interface\":\"%s\",\"alias\":\"%s\",%s"
                      "\"sessionTimeout\":\"600000\"}}",
                      serialization, serialization, conf->interface, conf->alias, extra);
  size_t frame = BENCH_JOY_HEADER + (size_t)body;
  if (frame >= sizeof bytes) {
    return refuse("would be asked with too long a name", conf->interface);
  }
  bench_joy_header(bytes, frame, NEGOTIATE, 1, JSON, 3000);
  uint8_t head[BENCH_JOY_HEADER];
  if (bench_wire_write(fd, bytes, frame) < 0 || bench_wire_read(fd, head, sizeof head) < 0) {
    return refuse("closed during the negotiation", "");
  }
  frame = frame_size(head);
  if (frame == 0 || head[8] != NEGOTIATED || frame > ANSWER_LIMIT) {
    return refuse("answered the negotiation with something else", "");
  }
  return read_answer(fd, frame - sizeof head, serialization);
}
