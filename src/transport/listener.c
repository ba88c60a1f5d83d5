// SPDX-License-Identifier: MIT
// Sockets are bound with plain system calls, because binding happens once per process and before any
// loop runs; accepting polls the descriptor and calls accept4, so that what is handed to a worker is
// a bare descriptor that belongs to no loop.
#include "transport/listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "transport/address.h"
#include "transport/inherit.h"
#include "transport/loop_priv.h"
#include "transport/stream.h"

enum {
  BURST = 64,      // connections accepted per readiness, so that accepting cannot fill a turn
  RETRY_MS = 100,  // pause when descriptors run out
};

struct peri_listener {
  int fd;
  char *url;   // owned
  char *path;  // owned; of a unix socket, else NULL
  dev_t dev;   // of the socket file, so that only our own is removed
  ino_t ino;
  peri_loop *loop;  // NULL until started
  uv_poll_t poll;
  bool polled;   // poll is initialised
  bool stopped;  // by the owner
  peri_timer retry;
  void (*accepted)(void *arg, peri_listener *listener, int fd);
  void *arg;
};

static int open_socket(int family) {
  int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int on = 1;
  if (fd >= 0 && family != AF_UNIX) {
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  }
  return fd;
}

static int bind_and_listen(int fd, const struct sockaddr *address, socklen_t size, int backlog) {
  return bind(fd, address, size) == 0 && listen(fd, backlog) == 0 ? 0 : -errno;
}

static int refuse(const char *url, int error, peri_err *err) {
  const char *todo = "";
  int code = PERI_ESYSTEM;
  if (error == EADDRINUSE) {
    todo = "; another process listens there: stop it or choose another address";
    code = PERI_EALREADY_EXISTS;
  } else if (error == EACCES || error == EPERM) {
    todo = "; this user may not: choose a port above 1023 or a folder that can be written";
    code = PERI_EFORBIDDEN;
  } else if (error == EADDRNOTAVAIL) {
    todo = "; the address belongs to no interface of this machine";
    code = PERI_ECONFIG;
  } else if (error == ENOENT) {
    todo = "; create the folder first";
    code = PERI_ECONFIG;
  }
  return peri_fail(err, code, "listen on %.120s: %s%s", url, strerror(error), todo);
}

static char *bound_url(const char *scheme, int fd) {
  struct sockaddr_storage address = {0};
  socklen_t size = sizeof address;
  char text[64];
  char url[96];
  getsockname(fd, (struct sockaddr *)&address, &size);
  peri_address_text((struct sockaddr *)&address, text, sizeof text);
  snprintf(url, sizeof url, "%s://%s", scheme, text);
  return peri_strdup(url);
}

static int open_tcp(peri_listener *listener, const char *url, const char *rest, int backlog,
                    peri_err *err) {
  peri_host host;
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
  struct addrinfo *list = NULL;
  if (peri_address_host(rest, &host, err) != 0) {
    return PERI_ECONFIG;
  }
  bool any = host.host[0] == '\0' || strcmp(host.host, "*") == 0;
  hints.ai_family = any ? AF_INET : AF_UNSPEC;
  int code = getaddrinfo(any ? NULL : host.host, host.port, &hints, &list);
  if (code != 0 && (list = peri_address_loopback(&host)) == NULL) {
    return peri_fail(err, PERI_ECONFIG, "listen on %.120s: %s; check the name", url,
                     gai_strerror(code));
  }
  listener->fd = peri_inherit_tcp(list, any);
  code = 0;
  if (listener->fd < 0) {
    listener->fd = open_socket(list->ai_family);
    code = listener->fd < 0
               ? -errno
               : bind_and_listen(listener->fd, list->ai_addr, list->ai_addrlen, backlog);
  }
  freeaddrinfo(list);
  if (code < 0) {
    return refuse(url, -code, err);
  }
  listener->url = bound_url("tcp", listener->fd);
  return 0;
}

// True when the file is a socket that nobody answers on: what a killed process left behind.
static bool is_stale(const struct sockaddr_un *address) {
  struct stat st;
  if (lstat(address->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode)) {
    return false;
  }
  int fd = open_socket(AF_UNIX);
  if (fd < 0) {
    return false;
  }
  bool refused =
      connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 && errno == ECONNREFUSED;
  close(fd);
  return refused;
}

static int bind_unix(int fd, const struct sockaddr_un *address, int backlog, uint32_t mode) {
  fchmod(fd, mode);  // before bind, so that there is no moment with wider permissions
  int code = bind_and_listen(fd, (const struct sockaddr *)address, sizeof *address, backlog);
  if (code == -EADDRINUSE && is_stale(address) && unlink(address->sun_path) == 0) {
    code = bind_and_listen(fd, (const struct sockaddr *)address, sizeof *address, backlog);
  }
  if (code == 0 && chmod(address->sun_path, mode) != 0) {
    code = -errno;
  }
  return code;
}

static int open_unix(peri_listener *listener, const char *url, const char *path,
                     const peri_listen_options *options, peri_err *err) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  struct stat st;
  if (path[0] == '\0' || strlen(path) >= sizeof address.sun_path) {
    return peri_fail(err, PERI_ECONFIG, "listen on %.120s: write a path of 1 to %zu bytes", url,
                     sizeof address.sun_path - 1);
  }
  strcpy(address.sun_path, path);
  listener->fd = peri_inherit_unix(&address);
  if (listener->fd >= 0) {  // its file belongs to who made it
    listener->path = peri_strdup(path);
    listener->url = peri_strdup(url);
    return 0;
  }
  listener->fd = open_socket(AF_UNIX);
  int code = listener->fd < 0
                 ? -errno
                 : bind_unix(listener->fd, &address, options->backlog, options->unix_mode);
  if (code < 0) {
    return refuse(url, -code, err);
  }
  listener->path = peri_strdup(path);
  listener->url = peri_strdup(url);
  if (stat(path, &st) == 0) {
    listener->dev = st.st_dev;
    listener->ino = st.st_ino;
  }
  return 0;
}

static void on_retry(peri_timer *timer);

static void free_listener(peri_listener *listener) {
  if (listener->fd >= 0) {
    close(listener->fd);
  }
  free(listener->url);
  free(listener->path);
  free(listener);
}

peri_listener *peri_listener_open(const char *url, const peri_listen_options *options,
                                  peri_err *err) {
  char scheme[16];
  peri_listen_options o = options != NULL ? *options : (peri_listen_options){0};
  o.backlog = o.backlog != 0 ? o.backlog : 1024;
  o.unix_mode = o.unix_mode != 0 ? o.unix_mode : 0600;
  const char *rest = peri_address_split(url, scheme, err);
  if (rest == NULL) {
    return NULL;
  }
  peri_listener *listener = peri_calloc(1, sizeof *listener);
  listener->fd = -1;
  peri_timer_init(&listener->retry, on_retry);
  int code;
  if (strcmp(scheme, "tcp") == 0) {
    code = open_tcp(listener, url, rest, o.backlog, err);
  } else if (strcmp(scheme, "unix") == 0) {
    code = open_unix(listener, url, rest, &o, err);
  } else {
    code =
        peri_fail(err, PERI_ECONFIG, "listen on %.120s: only tcp:// and unix:// have sockets", url);
  }
  if (code < 0) {
    free_listener(listener);
    return NULL;
  }
  return listener;
}

const char *peri_listener_url(const peri_listener *listener) {
  return listener->url;
}

static void on_readable(uv_poll_t *poll, int status, int events);

static int begin(peri_listener *listener) {
  return uv_poll_start(&listener->poll, UV_READABLE, on_readable);
}

static void on_retry(peri_timer *timer) {
  begin(peri_container(timer, peri_listener, retry));
}

// Waiting clients stay in the backlog; polling on would only burn time.
static void pause_accepting(peri_listener *listener, int error) {
  peri_log(PERI_LOG_WARN, "LISTENER-PAUSED",
           "accept on %s: %s; accepting pauses, raise the limit on open files (ulimit -n)",
           listener->url, strerror(error));
  uv_poll_stop(&listener->poll);
  peri_loop_arm(listener->loop, &listener->retry, RETRY_MS);
}

static void on_readable(uv_poll_t *poll, int status, int events) {
  peri_listener *listener = poll->data;
  (void)status;
  (void)events;
  peri_loop_enter(listener->loop);
  for (int n = 0; n < BURST && !listener->stopped; n++) {
    int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        pause_accepting(listener, errno);
      } else if (errno == ECONNABORTED || errno == EINTR) {
        continue;  // that client is gone, the next may not be
      }
      return;
    }
    if (listener->path == NULL) {
      int on = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    listener->accepted(listener->arg, listener, fd);
  }
}

int peri_listener_start(peri_listener *listener, peri_loop *loop,
                        void (*accepted)(void *arg, peri_listener *listener, int fd), void *arg) {
  peri_owner_check(&loop->owner);
  if (!listener->polled) {
    if (uv_poll_init(&loop->uv, &listener->poll, listener->fd) != 0) {
      return PERI_ESYSTEM;
    }
    listener->polled = true;
    listener->loop = loop;
    listener->poll.data = listener;
  }
  peri_check(listener->loop == loop);
  listener->accepted = accepted;
  listener->arg = arg;
  listener->stopped = false;
  return begin(listener) == 0 ? 0 : PERI_ESYSTEM;
}

void peri_listener_stop(peri_listener *listener) {
  listener->stopped = true;
  if (listener->polled) {
    peri_loop_cancel(listener->loop, &listener->retry);
    uv_poll_stop(&listener->poll);
  }
}

static void on_closed(uv_handle_t *handle) {
  free_listener(handle->data);
}

void peri_listener_close(peri_listener *listener) {
  struct stat st;
  if (listener->path != NULL && lstat(listener->path, &st) == 0 && st.st_dev == listener->dev &&
      st.st_ino == listener->ino) {
    unlink(listener->path);
  }
  peri_listener_stop(listener);
  if (listener->polled) {
    uv_close((uv_handle_t *)&listener->poll, on_closed);
  } else {
    free_listener(listener);
  }
}
