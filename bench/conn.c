// SPDX-License-Identifier: MIT
#include "conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { IN_BYTES = 256 * 1024, OUT_BYTES = 16 * 1024, SLOT_BITS = 17, GENERATIONS = 0x3fff };

int bench_connect(const bench_wire *wire, const bench_wire_conf *conf, int port) {
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct timeval patience = {.tv_sec = 20};
  int one = 1;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
    fprintf(stderr, "load: cannot connect to port %d: %s\n", port, strerror(errno));
    close(fd);
    return -1;
  }
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (wire->handshake(fd, conf) < 0) {
    close(fd);
    return -1;
  }
  return fd;
}

static void *must(void *memory) {
  if (!memory) {
    fputs("load: out of memory\n", stderr);
    exit(1);
  }
  return memory;
}

int bench_conn_init(bench_conn *conn, const bench_wire *wire, const bench_wire_conf *conf,
                    bench_tally *tally, int port, uint32_t depth) {
  size_t bound = bench_wire_bound(conf);
  *conn = (bench_conn){.wire = wire, .conf = conf, .tally = tally, .depth = depth};
  conn->fd = bench_connect(wire, conf, port);
  if (conn->fd < 0) {
    return -1;
  }
  fcntl(conn->fd, F_SETFL, O_NONBLOCK);
  conn->slots = must(calloc(depth, sizeof *conn->slots));
  for (uint32_t i = 0; i < depth; i++) {
    conn->slots[i].next_free = i + 1;
  }
  conn->in_size = bound * 4 > IN_BYTES ? bound * 4 : IN_BYTES;
  conn->in = must(malloc(conn->in_size));
  conn->out_size = bound * 2 > OUT_BYTES ? bound * 2 : OUT_BYTES;
  conn->out = must(malloc(conn->out_size));
  return 0;
}

static void fail(bench_tally *tally, uint64_t count, const char *text, size_t n) {
  if (count && !tally->first_error[0]) {
    size_t most = n < BENCH_ERROR_TEXT ? n : BENCH_ERROR_TEXT - 1;
    for (size_t i = 0; i < most; i++) {
      // It goes into a JSON string.
      char c = text[i];
      tally->first_error[i] = c < ' ' || c > '~' || c == '"' || c == '\\' ? '?' : c;
    }
  }
  tally->errors += count;
}

static void lose(bench_conn *conn, const char *why) {
  if (conn->fd < 0) {
    return;
  }
  close(conn->fd);
  conn->fd = -1;
  fail(conn->tally, conn->in_flight, why, strlen(why));
  conn->in_flight = 0;
}

void bench_conn_fini(bench_conn *conn) {
  if (conn->slots) {
    lose(conn, "no reply before the end");
  }
  free(conn->slots);
  free(conn->in);
  free(conn->out);
  *conn = (bench_conn){.fd = -1};
}

// ---- out ----------------------------------------------------------------------------------------

static uint32_t take_slot(bench_conn *conn) {
  uint32_t index = conn->free_slot;
  bench_slot *slot = &conn->slots[index];
  conn->free_slot = conn->wire->ordered ? (index + 1) % conn->depth : slot->next_free;
  slot->generation = slot->generation % GENERATIONS + 1;
  slot->busy = 1;
  conn->in_flight++;
  return index;
}

static void reserve(bench_conn *conn, size_t n) {
  if (conn->out_used + n <= conn->out_size) {
    return;
  }
  if (conn->out_sent) {
    conn->out_used -= conn->out_sent;
    memmove(conn->out, conn->out + conn->out_sent, conn->out_used);
    conn->out_sent = 0;
  }
  if (conn->out_used + n > conn->out_size) {
    conn->out_size = 2 * (conn->out_used + n);
    conn->out = must(realloc(conn->out, conn->out_size));
  }
}

void bench_conn_push(bench_conn *conn, uint64_t due) {
  uint32_t index = take_slot(conn);
  bench_slot *slot = &conn->slots[index];
  slot->due = due;
  slot->seed = conn->tally->seed++;
  reserve(conn, bench_wire_bound(conn->conf));
  uint32_t id = slot->generation << SLOT_BITS | index;
  conn->out_used += conn->wire->encode(conn->conf, id, slot->seed, conn->out + conn->out_used);
}

int bench_conn_flush(bench_conn *conn) {
  while (conn->fd >= 0 && conn->out_sent < conn->out_used) {
    ssize_t n =
        send(conn->fd, conn->out + conn->out_sent, conn->out_used - conn->out_sent, MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      return 1;
    }
    if (n < 0 && errno != EINTR) {
      lose(conn, strerror(errno));
      break;
    }
    conn->out_sent += n > 0 ? (size_t)n : 0;
  }
  conn->out_sent = conn->out_used = 0;
  return 0;
}

// ---- in -----------------------------------------------------------------------------------------

// Returns the slot the reply is for, NULL when nobody asked.
static bench_slot *match(bench_conn *conn, const bench_reply *reply) {
  uint32_t index = reply->id & (BENCH_DEPTH_MAX - 1);
  if (conn->wire->ordered) {
    index = conn->oldest;
    conn->oldest = (index + 1) % conn->depth;
  }
  if (index >= conn->depth || !conn->slots[index].busy) {
    return NULL;
  }
  bench_slot *slot = &conn->slots[index];
  if (!conn->wire->ordered) {
    if (slot->generation != reply->id >> SLOT_BITS) {
      return NULL;
    }
    slot->next_free = conn->free_slot;
    conn->free_slot = index;
  }
  slot->busy = 0;
  conn->in_flight--;
  return slot;
}

static void settle(bench_conn *conn, const bench_reply *reply) {
  static const char unasked[] = "a reply nobody asked for";
  static const char wrong[] = "the echo differs from what was sent";
  static const char mute[] = "a failure without a message";
  bench_tally *tally = conn->tally;
  const bench_wire_conf *conf = conn->conf;
  const bench_slot *slot = match(conn, reply);
  if (!slot) {
    fail(tally, 1, unasked, sizeof unasked - 1);
    return;
  }
  unsigned in_window = tally->now >= tally->begin && tally->now < tally->end;
  tally->refused += reply->ok ? 0 : in_window;
  if (!reply->ok && reply->text) {
    fail(tally, 1, reply->text, reply->text_len);
    return;
  }
  if (!reply->ok) {
    fail(tally, 1, mute, sizeof mute - 1);
    return;
  }
  int checked = tally->check_every < 2 || slot->seed % tally->check_every == 0;
  if (reply->n < conf->bytes ||
      (checked &&
       !bench_payload_check(conf->kind, conf->bytes, slot->seed, reply->payload, reply->n))) {
    fail(tally, 1, wrong, sizeof wrong - 1);
    return;
  }
  tally->calls += in_window;
  tally->good += tally->now < slot->due + conf->timeout_ms * 1000000ull ? in_window : 0;
  if (slot->due >= tally->begin && slot->due < tally->end) {
    bench_hist_add(&tally->latency, tally->now > slot->due ? tally->now - slot->due : 0);
  }
}

static uint32_t settle_all(bench_conn *conn) {
  size_t at = 0;
  uint32_t count = 0;
  while (conn->fd >= 0) {
    bench_reply reply;
    size_t need = 0;
    long used = conn->wire->decode(conn->conf, conn->in + at, conn->in_used - at, &reply, &need);
    if (used < 0 || need > conn->in_size) {
      lose(conn, "bytes that are no reply");
      return count;
    }
    if (used == 0) {
      break;
    }
    settle(conn, &reply);
    at += (size_t)used;
    count++;
  }
  conn->in_used -= at;
  if (at && conn->in_used) {
    memmove(conn->in, conn->in + at, conn->in_used);
  }
  return count;
}

uint32_t bench_conn_poll(bench_conn *conn) {
  ssize_t n = recv(conn->fd, conn->in + conn->in_used, conn->in_size - conn->in_used, 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
    return 0;
  }
  if (n <= 0) {
    lose(conn, n ? strerror(errno) : "the server closed the connection");
    return 0;
  }
  conn->in_used += (size_t)n;
  return settle_all(conn);
}
