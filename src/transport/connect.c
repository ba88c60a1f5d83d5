// SPDX-License-Identifier: MIT
// Outgoing connections. An attempt tries each address of a name in turn, within one time limit, and
// reports once. It is freed when it has reported and libuv holds none of its requests any more.
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>

#include "base/mem.h"
#include "transport/address.h"
#include "transport/channel_priv.h"
#include "transport/inproc.h"
#include "transport/stream.h"

typedef struct attempt {
  peri_loop *loop;
  peri_connected_fn connected;
  void *arg;
  peri_timer limit;
  char *name;             // owned; what the caller wrote
  peri_channel *channel;  // not connected yet, NULL between addresses
  struct addrinfo *list;  // owned by libuv's resolver
  struct addrinfo *next;  // to try
  uv_getaddrinfo_t resolve;
  uv_connect_t connect;  // one at a time
  int last;              // libuv's error of the last address
  int requests;          // in libuv's hands
  bool done;             // reported
} attempt;

static void try_next(attempt *a);

static void release(attempt *a) {
  if (a->done && a->requests == 0) {
    uv_freeaddrinfo(a->list);
    free(a->name);
    free(a);
  }
}

static void report(attempt *a, peri_channel *channel, int code, const char *why) {
  a->done = true;
  peri_loop_cancel(a->loop, &a->limit);
  a->connected(a->arg, channel, code, why);
  peri_loop_want_drain(a->loop);
}

static const char *advice(int uv_error) {
  switch (uv_error) {
  case UV_ECONNREFUSED: return "; is the provider running?";
  case UV_ENOENT: return "; is the provider running, and is the path right?";
  case UV_EAI_NONAME: return "; check the name";
  case UV_EMFILE:
  case UV_ENFILE: return "; raise the limit on open files (ulimit -n)";
  default: return "";
  }
}

static void report_failure(attempt *a) {
  char why[256];
  snprintf(why, sizeof why, "connect to %.120s: %s%s", a->name, uv_strerror(a->last),
           advice(a->last));
  report(a, NULL, peri_stream_code(a->last), why);
}

static void drop_channel(attempt *a) {
  if (a->channel != NULL) {
    peri_channel_close(a->channel, PERI_ECANCELLED);  // not started: it goes quietly
    a->channel = NULL;
  }
}

static void on_limit(peri_timer *timer) {
  attempt *a = peri_container(timer, attempt, limit);
  char why[256];
  bool resolving = a->channel == NULL;
  drop_channel(a);
  if (resolving) {
    uv_cancel((uv_req_t *)&a->resolve);
  }
  snprintf(why, sizeof why, "connect to %.120s: %s; is the address reachable?", a->name,
           resolving ? "the name was not resolved in time" : "no answer in time");
  report(a, NULL, PERI_ETIMEOUT, why);
  release(a);
}

static void on_connect(uv_connect_t *req, int status) {
  attempt *a = peri_container(req, attempt, connect);
  a->requests--;
  peri_loop_enter(a->loop);
  if (a->done) {
    release(a);
    return;
  }
  if (status != 0) {
    a->last = status;
    drop_channel(a);
    try_next(a);
    return;
  }
  peri_channel *channel = a->channel;
  a->channel = NULL;
  peri_stream_opened(channel);
  report(a, channel, 0, NULL);
  release(a);
}

static void try_next(attempt *a) {
  while (a->next != NULL) {
    struct addrinfo *address = a->next;
    a->next = address->ai_next;
    a->channel = peri_stream_new(a->loop, address->ai_family);
    a->last = uv_tcp_connect(&a->connect, &a->channel->io.tcp, address->ai_addr, on_connect);
    if (a->last == 0) {
      a->requests++;
      return;
    }
    drop_channel(a);
  }
  report_failure(a);
  release(a);
}

static void on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *list) {
  attempt *a = peri_container(req, attempt, resolve);
  peri_host host;
  a->requests--;
  if (list == NULL && peri_address_host(a->name, &host, NULL) == 0) {
    list = peri_address_loopback(&host);
  }
  a->list = a->next = list;
  peri_loop_enter(a->loop);
  if (a->done) {
    release(a);
  } else if (list == NULL) {
    a->last = status;
    report_failure(a);
    release(a);
  } else {
    try_next(a);
  }
}

static attempt *attempt_new(peri_loop *loop, const char *name, uint32_t timeout_ms,
                            peri_connected_fn connected, void *arg) {
  attempt *a = peri_calloc(1, sizeof *a);
  a->loop = loop;
  a->connected = connected;
  a->arg = arg;
  a->name = peri_strdup(name);
  peri_timer_init(&a->limit, on_limit);
  peri_loop_arm(loop, &a->limit, timeout_ms);
  return a;
}

// Nothing is in libuv's hands: as if the caller had never asked.
static int give_up(attempt *a, int code, peri_err *err) {
  peri_loop_cancel(a->loop, &a->limit);
  drop_channel(a);
  peri_fail(err, peri_stream_code(code), "connect to %.120s: %s", a->name, uv_strerror(code));
  a->done = true;
  release(a);
  return peri_stream_code(code);
}

static int connect_tcp(peri_loop *loop, const char *address, uint32_t timeout_ms,
                       peri_connected_fn connected, void *arg, peri_err *err) {
  peri_host host;
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
  if (peri_address_host(address, &host, err) != 0) {
    return PERI_ECONFIG;
  }
  if (host.host[0] == '\0' || strcmp(host.host, "*") == 0 || strcmp(host.port, "0") == 0) {
    return peri_fail(err, PERI_ECONFIG, "connect to %.120s: write a host and a port above 0",
                     address);
  }
  attempt *a = attempt_new(loop, address, timeout_ms, connected, arg);
  // A numeric address needs no thread of the resolver's pool.
  struct sockaddr_storage numeric;
  int port = atoi(host.port);
  bool v4 = uv_ip4_addr(host.host, port, (struct sockaddr_in *)&numeric) == 0;
  if (v4 || uv_ip6_addr(host.host, port, (struct sockaddr_in6 *)&numeric) == 0) {
    a->channel = peri_stream_new(loop, v4 ? AF_INET : AF_INET6);
    int code =
        uv_tcp_connect(&a->connect, &a->channel->io.tcp, (struct sockaddr *)&numeric, on_connect);
    if (code != 0) {
      return give_up(a, code, err);
    }
  } else {
    int code = uv_getaddrinfo(&loop->uv, &a->resolve, on_resolved, host.host, host.port, &hints);
    if (code != 0) {
      return give_up(a, code, err);
    }
  }
  a->requests++;
  return 0;
}

static int connect_unix(peri_loop *loop, const char *address, uint32_t timeout_ms,
                        peri_connected_fn connected, void *arg, peri_err *err) {
  struct sockaddr_un room;
  if (address[0] == '\0' || strlen(address) >= sizeof room.sun_path) {
    return peri_fail(err, PERI_ECONFIG, "connect to unix://%.120s: write a path of 1 to %zu bytes",
                     address, sizeof room.sun_path - 1);
  }
  attempt *a = attempt_new(loop, address, timeout_ms, connected, arg);
  a->channel = peri_stream_new(loop, AF_UNIX);
  a->requests++;
  uv_pipe_connect(&a->connect, &a->channel->io.pipe, address, on_connect);
  return 0;
}

static const peri_transport_ops tcp = {"tcp", connect_tcp};
static const peri_transport_ops local = {"unix", connect_unix};

const peri_transport_ops *peri_transport_by_scheme(const char *scheme, size_t len) {
  const peri_transport_ops *const all[] = {&tcp, &local, &peri_transport_inproc};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
    if (strlen(all[i]->scheme) == len && memcmp(all[i]->scheme, scheme, len) == 0) {
      return all[i];
    }
  }
  return NULL;
}

int peri_connect(peri_loop *loop, const char *url, uint32_t timeout_ms, peri_connected_fn connected,
                 void *arg, peri_err *err) {
  char scheme[16];
  const char *address = peri_address_split(url, scheme, err);
  if (address == NULL) {
    return PERI_ECONFIG;
  }
  const peri_transport_ops *ops = peri_transport_by_scheme(scheme, strlen(scheme));
  return ops->connect(loop, address, timeout_ms, connected, arg, err);
}
