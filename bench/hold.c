// SPDX-License-Identifier: MIT
#include "hold.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn.h"
#include "server.h"

enum { FENCE = 0x7ffffffe, SETTLE_ROUNDS = 20, SETTLE_MS = 100, WAVE = 128 };

typedef struct reader {
  int fd;
  size_t used;
  uint8_t bytes[64 * 1024];
} reader;

// Returns the length of the reply read, which lies at the beginning of `bytes`; -1 on failure.
static long next_reply(reader *in, const bench_wire *wire, const bench_wire_conf *conf,
                       bench_reply *reply) {
  for (;;) {
    size_t need = 0;
    long frame = wire->decode(conf, in->bytes, in->used, reply, &need);
    if (frame || in->used == sizeof in->bytes) {
      return frame ? frame : -1;
    }
    ssize_t n = recv(in->fd, in->bytes + in->used, sizeof in->bytes - in->used, 0);
    if (n <= 0) {
      return -1;
    }
    in->used += (size_t)n;
  }
}

// Sends one request and reads until its reply is there. Returns the number of other replies, or
// -1 when it failed.
static long fence(int fd, const bench_wire *wire, const bench_wire_conf *conf) {
  static reader in;
  in.fd = fd;
  in.used = 0;
  uint8_t *out = malloc(bench_wire_bound(conf));
  size_t n = out ? wire->encode(conf, FENCE, FENCE, out) : 0;
  int rc = out ? bench_wire_write(fd, out, n) : -1;
  free(out);
  for (long others = 0; rc == 0; others++) {
    bench_reply reply;
    long frame = next_reply(&in, wire, conf, &reply);
    if (frame < 0) {
      break;
    }
    if (wire->ordered || reply.id == FENCE) {
      return reply.ok ? others : -1;
    }
    fprintf(stderr, "load: a held call was answered: %.*s\n", (int)reply.text_len,
            reply.text ? reply.text : "");
    in.used -= (size_t)frame;
    memmove(in.bytes, in.bytes + frame, in.used);
  }
  fputs("load: the server did not answer\n", stderr);
  return -1;
}

// Waits until the resident memory stands still, within a limit, and returns it.
static uint64_t settled_rss(pid_t server) {
  uint64_t last = bench_rss_bytes(server);
  for (int i = 0, same = 0; i < SETTLE_ROUNDS && same < 3; i++) {
    poll(NULL, 0, SETTLE_MS);
    uint64_t now = bench_rss_bytes(server);
    same = now == last ? same + 1 : 0;
    last = now;
  }
  return last;
}

static int report(const char *what, const bench_wire *wire, uint32_t count, long errors,
                  uint64_t before, uint64_t after) {
  double each = ((double)after - (double)before) / (double)count;
  printf("{\"protocol\":\"%s\",\"%s\":%u,\"errors\":%ld,\"rss_before\":%llu,\"rss_after\":%llu,"
         "\"bytes_each\":%.1f}\n",
         wire->name, what, count, errors, (unsigned long long)before, (unsigned long long)after,
         each);
  return 0;
}

// The first connection and call pay for what a server makes once.
static int warm(const bench_wire *wire, const bench_wire_conf *conf, int port) {
  int fd = bench_connect(wire, conf, port);
  long rc = fd < 0 ? -1 : fence(fd, wire, conf);
  return rc < 0 ? -1 : fd;
}

int bench_idle_run(const bench_wire *wire, const bench_wire_conf *conf, int port, pid_t server,
                   uint32_t count) {
  if (warm(wire, conf, port) < 0) {
    return 1;
  }
  uint64_t before = settled_rss(server);
  for (uint32_t i = 0; i < count; i++) {
    if (warm(wire, conf, port) < 0) {
      return 1;
    }
  }
  // The sockets close with the process.
  return report("connections", wire, count, 0, before, settled_rss(server));
}

// In waves, each fenced: a server that refuses calls which waited long in its queue must not be
// given a queue. Returns the count of held calls that were answered, or -1.
static long send_held(int fd, const bench_wire *wire, const bench_wire_conf *conf,
                      const bench_wire_conf *held, uint32_t count) {
  uint8_t *out = malloc((size_t)WAVE * bench_wire_bound(held));
  long answered = out ? 0 : -1;
  size_t used = 0;
  for (uint32_t i = 0; i < count && answered >= 0; i++) {
    used += wire->encode(held, i + 1, i, out + used);
    if ((i + 1) % WAVE == 0 || i + 1 == count) {
      long others = bench_wire_write(fd, out, used) < 0 ? -1 : fence(fd, wire, conf);
      answered = others < 0 ? -1 : answered + others;
      used = 0;
    }
  }
  free(out);
  return answered;
}

int bench_hold_run(const bench_wire *wire, const bench_wire_conf *conf, int port, pid_t server,
                   uint32_t connections, uint32_t count) {
  bench_wire_conf held = *conf;
  held.method = "hold";
  held.methods = 0;
  held.timeout_ms = 600000;
  int *fds = calloc(connections, sizeof *fds);
  long errors = 0;
  int bad = !fds;
  for (uint32_t i = 0; i < connections && !bad; i++) {
    fds[i] = warm(wire, conf, port);
    bad = fds[i] < 0;
  }
  uint64_t before = settled_rss(server);
  for (uint32_t i = 0; i < connections && !bad; i++) {
    uint32_t share = count / connections + (i < count % connections);
    long answered = send_held(fds[i], wire, conf, &held, share);
    bad = answered < 0;
    errors += answered;
  }
  uint64_t after = settled_rss(server);
  free(fds);
  return bad ? 1 : report("held", wire, count, errors, before, after);
}
