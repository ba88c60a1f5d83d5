// SPDX-License-Identifier: MIT
// Channels over sockets. Output goes out by one uv_try_write a turn; only what the kernel does not
// take becomes a write request, which owns the buffers until they are gone.
#include "transport/stream.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "transport/channel_priv.h"

enum { BUFFERS = 256 };  // gathered by the first write of a turn

int peri_stream_code(int uv_error) {
  switch (uv_error) {
  case UV_ECONNREFUSED:
  case UV_ENOENT:
  case UV_EHOSTUNREACH:
  case UV_ENETUNREACH:
  case UV_EAI_NONAME:
  case UV_EAI_AGAIN:
  case UV_EAI_FAIL:
  case UV_EAI_NODATA: return PERI_EUNAVAILABLE;
  case UV_ETIMEDOUT: return PERI_ETIMEOUT;
  case UV_ECONNRESET:
  case UV_ECONNABORTED:
  case UV_EPIPE:
  case UV_ENOTCONN:
  case UV_EOF: return PERI_ECLOSED;
  case UV_ENOMEM:
  case UV_ENOBUFS: return PERI_ENO_MEMORY;
  case UV_EMFILE:
  case UV_ENFILE: return PERI_ELIMITED;
  default: return PERI_ESYSTEM;
  }
}

bool peri_address_text(const struct sockaddr *address, char *text, size_t size) {
  char host[INET6_ADDRSTRLEN] = "";
  if (address->sa_family == AF_INET) {
    const struct sockaddr_in *in = (const void *)address;
    uv_ip4_name(in, host, sizeof host);
    snprintf(text, size, "%s:%d", host, ntohs(in->sin_port));
    return ntohl(in->sin_addr.s_addr) >> 24 == 127;
  }
  if (address->sa_family == AF_INET6) {
    const struct sockaddr_in6 *in = (const void *)address;
    uv_ip6_name(in, host, sizeof host);
    snprintf(text, size, "[%s]:%d", host, ntohs(in->sin6_port));
    return IN6_IS_ADDR_LOOPBACK(&in->sin6_addr) ||
           (IN6_IS_ADDR_V4MAPPED(&in->sin6_addr) && in->sin6_addr.s6_addr[12] == 127);
  }
  snprintf(text, size, "unix");
  return address->sa_family == AF_UNIX;
}

static void on_space(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
  (void)suggested;
  peri_channel *channel = handle->data;
  peri_loop_enter(channel->loop);
  *buf = peri_channel_space(channel);
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf) {
  (void)buf;
  peri_channel *channel = stream->data;
  peri_loop_enter(channel->loop);
  if (len > 0) {
    peri_channel_arrived(channel, (size_t)len);
  } else if (len == UV_EOF) {
    peri_channel_ended(channel, 0);
  } else if (len != 0 && len != UV_ENOBUFS) {  // ENOBUFS: had its share of this turn
    peri_channel_ended(channel, peri_stream_code((int)len));
  }
}

static int read_start(peri_channel *channel) {
  return uv_read_start(&channel->io.stream, on_space, on_read);
}

static void read_stop(peri_channel *channel) {
  uv_read_stop(&channel->io.stream);
}

static void on_written(uv_write_t *req, int status) {
  peri_write *write = peri_container(req, peri_write, req);
  peri_channel *channel = write->channel;
  channel->writing = NULL;
  peri_output_clear(channel->loop, &write->out);
  free(write);
  if (channel->state == PERI_CHANNEL_CLOSING) {
    return;
  }
  peri_loop_enter(channel->loop);
  if (status < 0) {
    peri_channel_close(channel, peri_stream_code(status));
  } else {
    peri_channel_sent(channel);
  }
}

// The kernel took `done` bytes of the queue; the rest becomes a request.
static void send_later(peri_channel *channel, size_t done) {
  peri_write *write = peri_calloc(1, sizeof *write);
  write->channel = channel;
  write->out = channel->out;
  channel->out = (peri_output){0};
  channel->writing = write;
  unsigned most = 2 * write->out.count + 1;
  uv_buf_t *bufs = peri_malloc(most * sizeof *bufs);
  unsigned count = peri_output_buffers(&write->out, done, bufs, most);
  int code = uv_write(&write->req, &channel->io.stream, bufs, count, on_written);
  free(bufs);
  if (code < 0) {
    channel->writing = NULL;
    peri_output_clear(channel->loop, &write->out);
    free(write);
    peri_channel_close(channel, peri_stream_code(code));
  }
}

static void send_output(peri_channel *channel) {
  uv_buf_t bufs[BUFFERS];
  size_t len = peri_output_len(&channel->out);
  unsigned count = peri_output_buffers(&channel->out, 0, bufs, BUFFERS);
  int done = uv_try_write(&channel->io.stream, bufs, count);
  if (done < 0 && done != UV_EAGAIN) {
    peri_channel_close(channel, peri_stream_code(done));
    return;
  }
  channel->bytes_out += len;
  size_t taken = done > 0 ? (size_t)done : 0;
  if (taken == len) {
    peri_output_clear(channel->loop, &channel->out);
  } else {
    send_later(channel, taken);
  }
}

static size_t in_flight(const peri_channel *channel) {
  return uv_stream_get_write_queue_size(&channel->io.stream);
}

static void end_output(peri_channel *channel) {
  uv_os_fd_t fd;
  if (uv_fileno(&channel->io.handle, &fd) == 0) {
    shutdown(fd, SHUT_WR);
  }
}

static void on_closed(uv_handle_t *handle) {
  peri_channel_closed(handle->data);
}

static void close_stream(peri_channel *channel) {
  uv_close(&channel->io.handle, on_closed);
}

static const peri_carrier_ops stream_carrier = {
    .send = send_output,
    .in_flight = in_flight,
    .read_start = read_start,
    .read_stop = read_stop,
    .shutdown = end_output,
    .close = close_stream,
};

peri_channel *peri_stream_new(peri_loop *loop, int family) {
  peri_channel *channel = peri_channel_new(loop, &stream_carrier);
  if (family == AF_UNIX) {
    uv_pipe_init(&loop->uv, &channel->io.pipe, 0);
  } else {
    uv_tcp_init(&loop->uv, &channel->io.tcp);
  }
  channel->io.handle.data = channel;
  return channel;
}

void peri_stream_opened(peri_channel *channel) {
  struct sockaddr_storage address = {0};
  socklen_t size = sizeof address;
  char text[64];
  uv_os_fd_t fd;
  if (channel->io.handle.type == UV_TCP) {
    uv_tcp_nodelay(&channel->io.tcp, 1);
  }
  // A peer that is gone already has no name any more; reading will say so.
  if (uv_fileno(&channel->io.handle, &fd) == 0 &&
      getpeername(fd, (struct sockaddr *)&address, &size) == 0) {
    bool local = peri_address_text((struct sockaddr *)&address, text, sizeof text);
    peri_channel_set_peer(channel, text, local);
  }
}

peri_channel *peri_channel_from_fd(peri_loop *loop, int fd) {
  struct sockaddr_storage address = {0};
  socklen_t size = sizeof address;
  if (getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
    close(fd);
    return NULL;
  }
  peri_channel *channel = peri_stream_new(loop, address.ss_family);
  int code = address.ss_family == AF_UNIX ? uv_pipe_open(&channel->io.pipe, fd)
                                          : uv_tcp_open(&channel->io.tcp, fd);
  if (code != 0) {
    close(fd);
    peri_channel_close(channel, PERI_ESYSTEM);  // nobody has started it: it goes quietly
    return NULL;
  }
  peri_stream_opened(channel);
  return channel;
}
