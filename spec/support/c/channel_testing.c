// SPDX-License-Identifier: MIT
// A recording channel handler for specs: what came, how often, and what to do about it.
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "transport/inproc.h"
#include "transport/listener.h"

enum { TEST_ALL, TEST_FRAMES, TEST_NOTHING };  // what `data` consumes

typedef struct peri_test_conn {
  peri_channel *channel;        // NULL after `closed`
  peri_buf in;                  // all consumed bytes
  int mode;                     // TEST_*
  bool echo;                    // consumed bytes are sent back
  bool keep;                    // holds on to the block of each call
  int pause_after;              // frames per call of `data` before it pauses itself, 0 = never
  int fail;                     // returned by the next `data`
  int close;                    // 1: data closes the channel, 2: finishes it
  struct peri_test_conn *next;  // takes over as handler after one frame
  int data_calls;
  int writable_calls;
  int closed_calls;
  int late_calls;  // after `closed`
  int frames;
  int code;
  size_t longest;  // bytes of the longest call
  peri_block *kept[64];
  int kept_count;
} peri_test_conn;

peri_test_conn *peri_test_conn_new(int mode);
void peri_test_conn_free(peri_test_conn *conn);
void peri_test_conn_start(peri_test_conn *conn, peri_channel *channel,
                          const peri_channel_limits *limits);
void peri_test_conn_send(peri_test_conn *conn, const void *bytes, size_t len);
void peri_test_conn_send_block(peri_test_conn *conn, const void *bytes, size_t len);
void peri_test_conn_fill(peri_test_conn *conn, size_t len);
void peri_test_on_connected(void *arg, peri_channel *channel, int code, const char *why);
void peri_test_on_accepted(void *arg, peri_channel *channel);
int peri_test_socketpair(int family, int fds[2]);
void peri_test_xor(peri_channel *channel);

static const peri_channel_handler test_handler;

// Length-prefixed: u32 length of what follows.
static size_t cut_frame(peri_test_conn *conn, const uint8_t *data, size_t len, size_t *need) {
  if (len < 4) {
    return 0;
  }
  size_t whole = 4 + (size_t)peri_get_u32(data);
  if (whole > len) {
    *need = whole;
    return 0;
  }
  conn->frames++;
  return whole;
}

static void record(peri_test_conn *conn, peri_channel *channel, const uint8_t *data, size_t len) {
  peri_buf_add(&conn->in, data, len);
  if (conn->echo && len != 0) {
    peri_buf_add(peri_channel_out(channel), data, len);
    peri_channel_touch(channel);
  }
}

static ssize_t consume(peri_test_conn *conn, peri_channel *channel, const uint8_t *data, size_t len,
                       size_t *need) {
  size_t used = 0;
  if (conn->mode == TEST_NOTHING) {
    return 0;
  }
  if (conn->mode == TEST_ALL) {
    record(conn, channel, data, len);
    return (ssize_t)len;
  }
  for (int n = 1; used < len; n++) {
    size_t whole = cut_frame(conn, data + used, len - used, need);
    record(conn, channel, data + used, whole);
    used += whole;
    if (whole == 0) {
      break;
    }
    if (n == conn->pause_after) {
      peri_channel_pause(channel);
      break;
    }
    if (conn->next != NULL) {
      conn->next->channel = channel;
      peri_channel_set_handler(channel, &test_handler, conn->next);
      break;
    }
  }
  return (ssize_t)used;
}

static ssize_t on_data(void *arg, peri_channel *channel, peri_block *block, const uint8_t *data,
                       size_t len, size_t *need) {
  peri_test_conn *conn = arg;
  peri_check(data >= block->data && data + len <= block->data + block->cap);
  conn->data_calls++;
  conn->late_calls += conn->closed_calls != 0;
  conn->longest = len > conn->longest ? len : conn->longest;
  if (conn->fail != 0) {
    return conn->fail;
  }
  if (conn->keep && conn->kept_count < 64) {
    conn->kept[conn->kept_count++] = peri_block_ref(block);
  }
  ssize_t used = consume(conn, channel, data, len, need);
  if (conn->close == 1) {
    peri_channel_close(channel, PERI_EABORTED);
    peri_check(conn->closed_calls == 0);
  } else if (conn->close == 2) {
    peri_channel_finish(channel);
  }
  return used;
}

static void on_writable(void *arg, peri_channel *channel) {
  peri_test_conn *conn = arg;
  (void)channel;
  conn->writable_calls++;
  conn->late_calls += conn->closed_calls != 0;
}

static void on_closed(void *arg, peri_channel *channel, int code) {
  peri_test_conn *conn = arg;
  (void)channel;
  conn->closed_calls++;
  conn->code = code;
  conn->channel = NULL;
}

static const peri_channel_handler test_handler = {on_data, on_writable, on_closed};

peri_test_conn *peri_test_conn_new(int mode) {
  peri_test_conn *conn = peri_calloc(1, sizeof *conn);
  conn->mode = mode;
  return conn;
}

void peri_test_conn_free(peri_test_conn *conn) {
  for (int i = 0; i < conn->kept_count; i++) {
    peri_block_unref(conn->kept[i]);
  }
  peri_buf_fini(&conn->in);
  free(conn);
}

void peri_test_conn_start(peri_test_conn *conn, peri_channel *channel,
                          const peri_channel_limits *limits) {
  conn->channel = channel;
  peri_channel_start(channel, &test_handler, conn, limits);
}

void peri_test_conn_send(peri_test_conn *conn, const void *bytes, size_t len) {
  peri_buf_add(peri_channel_out(conn->channel), bytes, len);
  peri_channel_touch(conn->channel);
}

void peri_test_conn_send_block(peri_test_conn *conn, const void *bytes, size_t len) {
  peri_block *block = peri_block_copy((peri_bytes){bytes, len});
  peri_channel_add_block(conn->channel, block, (peri_bytes){block->data, len});
  peri_channel_touch(conn->channel);
  peri_block_unref(block);
}

// `len` bytes in blocks of 64 KiB.
void peri_test_conn_fill(peri_test_conn *conn, size_t len) {
  static const uint8_t zeros[65536];
  while (len != 0 && conn->channel != NULL) {
    size_t part = len < sizeof zeros ? len : sizeof zeros;
    peri_buf_add(peri_channel_out(conn->channel), zeros, part);
    peri_channel_touch(conn->channel);
    len -= part;
  }
}

// The result of a connection attempt as a conn: `code` and the text in `in` when it failed.
void peri_test_on_connected(void *arg, peri_channel *channel, int code, const char *why) {
  peri_test_conn *conn = arg;
  conn->late_calls += conn->data_calls++ != 0;
  conn->channel = channel;
  conn->code = code;
  if (why != NULL) {
    peri_buf_add(&conn->in, why, strlen(why));
  }
}

void peri_test_on_accepted(void *arg, peri_channel *channel) {
  peri_test_conn *conn = arg;
  conn->channel = channel;
}

int peri_test_socketpair(int family, int fds[2]) {
  return socketpair(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds);
}

// A transform whose every byte depends on its position in the stream; it announces itself with a
// greeting, and holds plain bytes back until the peer's greeting is there, as TLS does.
typedef struct xor_state {
  uint64_t sent;
  uint64_t got;
  uint64_t greeting;  // bytes of the peer's greeting seen
  bool greeted;
  peri_buf held;
} xor_state;

enum { GREETING = 5 };

static uint8_t pad(uint64_t position) {
  return (uint8_t)(position * 167 + (position >> 8) + 13);
}

static void seal(xor_state *state, const uint8_t *bytes, size_t len, peri_buf *wire) {
  for (size_t i = 0; i < len; i++) {
    peri_buf_add_u8(wire, bytes[i] ^ pad(state->sent++));
  }
}

static int xor_encode(void *self, peri_bytes plain, peri_buf *wire) {
  xor_state *state = self;
  if (!state->greeted) {
    state->greeted = true;
    peri_buf_add(wire, "HELLO", GREETING);
  }
  if (state->greeting < GREETING) {
    peri_buf_add(&state->held, plain.ptr, plain.len);
  } else {
    seal(state, plain.ptr, plain.len, wire);
  }
  return 0;
}

static int xor_decode(void *self, peri_bytes wire, peri_buf *plain, peri_buf *reply) {
  xor_state *state = self;
  size_t at = 0;
  while (at < wire.len && state->greeting < GREETING) {
    if (wire.ptr[at++] != "HELLO"[state->greeting++]) {
      return PERI_EPROTOCOL;
    }
    if (state->greeting == GREETING) {
      seal(state, state->held.data, state->held.len, reply);
      peri_buf_fini(&state->held);
    }
  }
  for (; at < wire.len; at++) {
    peri_buf_add_u8(plain, wire.ptr[at] ^ pad(state->got++));
  }
  return 0;
}

static size_t xor_held(const void *self) {
  const xor_state *state = self;
  return state->held.len;
}

static void xor_free(void *self) {
  xor_state *state = self;
  peri_buf_fini(&state->held);
  free(state);
}

void peri_test_xor(peri_channel *channel) {
  static const peri_transform_ops ops = {xor_encode, xor_decode, xor_held, xor_free};
  peri_channel_set_transform(channel, &ops, peri_calloc(1, sizeof(xor_state)));
}

// Accepted descriptors, and a process that has none left.
typedef struct peri_test_accepted {
  int count;
  int fds[64];
} peri_test_accepted;

void peri_test_on_accept(void *arg, peri_listener *listener, int fd);
int peri_test_no_descriptors(void);
void peri_test_descriptors_back(void);

void peri_test_on_accept(void *arg, peri_listener *listener, int fd) {
  peri_test_accepted *accepted = arg;
  (void)listener;
  accepted->fds[accepted->count++] = fd;
}

static struct rlimit real_limit;

// No descriptor above those open now can be opened. Returns the first one that is not.
int peri_test_no_descriptors(void) {
  int next = dup(2);
  close(next);
  getrlimit(RLIMIT_NOFILE, &real_limit);
  struct rlimit none = {(rlim_t)next, real_limit.rlim_max};
  setrlimit(RLIMIT_NOFILE, &none);
  return next;
}

void peri_test_descriptors_back(void) {
  setrlimit(RLIMIT_NOFILE, &real_limit);
}
