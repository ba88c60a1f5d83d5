// SPDX-License-Identifier: MIT
// The floor of every comparison: the least a libuv server can do and still be a server of framed
// requests. One thread; frames are a u32 length (of what follows) and bytes; each frame is cut,
// checked against a limit, and sent back as it came. All connections read into one shared buffer,
// frames are parsed where they lie, and what one read brought is answered with one write straight
// from that buffer. Only a frame that is not complete is copied, into its connection's own buffer.
//
// Prints its port, then serves until SIGTERM or until the pipe on its standard input closes.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum { READ_BYTES = 256 * 1024, FRAME_LIMIT = 8 * 1024 * 1024, PREFIX = 4 };

typedef struct connection {
  uv_tcp_t tcp;
  char *partial;  // the beginning of a frame, owned; NULL when the last read ended on a border
  size_t used;
  size_t size;
} connection;

typedef struct pending {
  uv_write_t write;
  char bytes[];
} pending;

static char shared[READ_BYTES];

static void *must(void *memory) {
  if (!memory) {
    fputs("floor: out of memory\n", stderr);
    exit(1);
  }
  return memory;
}

static void on_closed(uv_handle_t *handle) {
  connection *conn = handle->data;
  free(conn->partial);
  free(conn);
}

static void close_connection(connection *conn) {
  if (!uv_is_closing((uv_handle_t *)&conn->tcp)) {
    uv_close((uv_handle_t *)&conn->tcp, on_closed);
  }
}

static void on_written(uv_write_t *write, int status) {
  (void)status;
  free(write->data);
}

// What the socket does not take at once is copied and queued: rare, and off the measured path.
static void answer(connection *conn, const char *bytes, size_t n) {
  uv_buf_t buf = uv_buf_init((char *)bytes, (unsigned)n);
  int sent = uv_try_write((uv_stream_t *)&conn->tcp, &buf, 1);
  if (sent < 0 && sent != UV_EAGAIN) {
    close_connection(conn);
    return;
  }
  size_t done = sent > 0 ? (size_t)sent : 0;
  if (done == n) {
    return;
  }
  pending *rest = must(malloc(sizeof *rest + n - done));
  memcpy(rest->bytes, bytes + done, n - done);
  rest->write.data = rest;
  buf = uv_buf_init(rest->bytes, (unsigned)(n - done));
  if (uv_write(&rest->write, (uv_stream_t *)&conn->tcp, &buf, 1, on_written) < 0) {
    free(rest);
    close_connection(conn);
  }
}

// Returns the length of the frame at `bytes`, prefix included, 0 when the prefix is not all there,
// or SIZE_MAX when it is beyond the limit.
static size_t frame_size(const char *bytes, size_t n) {
  if (n < PREFIX) {
    return 0;
  }
  const uint8_t *p = (const uint8_t *)bytes;
  size_t length = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
  return length > FRAME_LIMIT ? SIZE_MAX : length + PREFIX;
}

static void keep(connection *conn, const char *bytes, size_t n, size_t frame) {
  size_t size = frame > PREFIX ? frame : PREFIX;
  if (conn->size < size) {
    // The old block may be where `bytes` lies.
    char *fresh = must(malloc(size));
    memcpy(fresh, bytes, n);
    free(conn->partial);
    conn->partial = fresh;
    conn->size = size;
  } else if (n) {
    memmove(conn->partial, bytes, n);
  }
  conn->used = n;
}

static void cut(connection *conn, const char *bytes, size_t n) {
  size_t at = 0;
  size_t frame = 0;
  for (;;) {
    frame = frame_size(bytes + at, n - at);
    if (frame == SIZE_MAX) {
      close_connection(conn);
      return;
    }
    if (frame == 0 || frame > n - at) {
      break;
    }
    at += frame;
  }
  if (at) {
    answer(conn, bytes, at);
  }
  if (at < n) {
    keep(conn, bytes + at, n - at, frame);
  } else {
    conn->used = 0;
  }
}

// A frame that has begun is completed in its own buffer, so its bytes move once only.
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
  (void)suggested;
  connection *conn = handle->data;
  *buf = conn->used ? uv_buf_init(conn->partial + conn->used, (unsigned)(conn->size - conn->used))
                    : uv_buf_init(shared, READ_BYTES);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) {
  connection *conn = stream->data;
  if (n < 0) {
    close_connection(conn);
  } else if (n > 0 && conn->used) {
    cut(conn, conn->partial, conn->used + (size_t)n);
  } else if (n > 0) {
    cut(conn, buf->base, (size_t)n);
  }
}

static void on_connection(uv_stream_t *server, int status) {
  if (status < 0) {
    return;
  }
  connection *conn = must(calloc(1, sizeof *conn));
  uv_tcp_init(server->loop, &conn->tcp);
  conn->tcp.data = conn;
  if (uv_accept(server, (uv_stream_t *)&conn->tcp) < 0) {
    close_connection(conn);
    return;
  }
  uv_tcp_nodelay(&conn->tcp, 1);
  uv_read_start((uv_stream_t *)&conn->tcp, on_alloc, on_read);
}

static void on_signal(uv_signal_t *handle, int signum) {
  (void)signum;
  uv_stop(handle->loop);
}

static void on_stdin_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
  static char ignored[64];
  (void)handle;
  (void)suggested;
  *buf = uv_buf_init(ignored, sizeof ignored);
}

static void on_stdin(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) {
  (void)buf;
  if (n < 0) {
    uv_stop(stream->loop);
  }
}

static int listen_on(uv_loop_t *loop, uv_tcp_t *server, int port) {
  struct sockaddr_storage address;
  int length = sizeof address;
  uv_ip4_addr("127.0.0.1", port, (struct sockaddr_in *)&address);
  uv_tcp_init(loop, server);
  int rc = uv_tcp_bind(server, (struct sockaddr *)&address, 0);
  rc = rc < 0 ? rc : uv_listen((uv_stream_t *)server, 4096, on_connection);
  rc = rc < 0 ? rc : uv_tcp_getsockname(server, (struct sockaddr *)&address, &length);
  if (rc < 0) {
    fprintf(stderr, "floor: cannot listen on port %d: %s\n", port, uv_strerror(rc));
    return rc;
  }
  printf("%d\n", ntohs(((struct sockaddr_in *)&address)->sin_port));
  fflush(stdout);
  return 0;
}

int main(int argc, char **argv) {
  uv_loop_t *loop = uv_default_loop();
  uv_tcp_t server;
  uv_signal_t term;
  uv_pipe_t parent;
  if (listen_on(loop, &server, argc > 1 ? atoi(argv[1]) : 0) < 0) {
    return 1;
  }
  uv_signal_init(loop, &term);
  uv_signal_start(&term, on_signal, SIGTERM);
  if (uv_guess_handle(0) == UV_NAMED_PIPE) {
    uv_pipe_init(loop, &parent, 0);
    uv_pipe_open(&parent, 0);
    uv_read_start((uv_stream_t *)&parent, on_stdin_alloc, on_stdin);
  }
  return uv_run(loop, UV_RUN_DEFAULT) < 0;
}
