// SPDX-License-Identifier: MIT
#include "transport/inherit.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "transport/stream.h"

enum {
  FIRST = 3,  // by the protocol
  MOST = 64,
};

static _Atomic uint64_t taken;  // a bit for each descriptor

static int passed_count(void) {
  const char *pid = getenv("LISTEN_PID");
  const char *count = getenv("LISTEN_FDS");
  if (pid == NULL || count == NULL || strtol(pid, NULL, 10) != (long)getpid()) {
    return 0;
  }
  long n = strtol(count, NULL, 10);
  return n < 0 ? 0 : n > MOST ? MOST : (int)n;
}

static bool listens(int fd, struct sockaddr_storage *address) {
  int on = 0;
  socklen_t size = sizeof on;
  socklen_t address_size = sizeof *address;
  memset(address, 0, sizeof *address);
  return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &size) == 0 && on != 0 &&
         getsockname(fd, (struct sockaddr *)address, &address_size) == 0;
}

static int take(int n) {
  int fd = fcntl(FIRST + n, F_DUPFD_CLOEXEC, FIRST);
  if (fd >= 0) {
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    fcntl(FIRST + n, F_SETFD, FD_CLOEXEC);
    atomic_fetch_or(&taken, UINT64_C(1) << n);
  }
  return fd;
}

static in_port_t port_of(const struct sockaddr *address) {
  return address->sa_family == AF_INET6
             ? ((const struct sockaddr_in6 *)(const void *)address)->sin6_port
             : ((const struct sockaddr_in *)(const void *)address)->sin_port;
}

static bool is_any(const struct sockaddr *address) {
  static const struct in6_addr any = IN6ADDR_ANY_INIT;
  if (address->sa_family == AF_INET6) {
    return memcmp(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, &any,
                  sizeof any) == 0;
  }
  return ((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr == INADDR_ANY;
}

static bool same_host(const struct sockaddr *a, const struct sockaddr *b) {
  if (a->sa_family != b->sa_family) {
    return false;
  } else if (a->sa_family == AF_INET6) {
    return memcmp(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr,
                  &((const struct sockaddr_in6 *)(const void *)b)->sin6_addr,
                  sizeof(struct in6_addr)) == 0;
  }
  return ((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr ==
         ((const struct sockaddr_in *)(const void *)b)->sin_addr.s_addr;
}

static bool is_inet(const struct sockaddr *address) {
  return address->sa_family == AF_INET || address->sa_family == AF_INET6;
}

static bool matches(const struct sockaddr *passed, const struct addrinfo *list, bool any) {
  for (const struct addrinfo *it = list; it != NULL; it = it->ai_next) {
    if (is_inet(it->ai_addr) && port_of(it->ai_addr) == port_of(passed) &&
        (same_host(it->ai_addr, passed) || ((any || is_any(it->ai_addr)) && is_any(passed)))) {
      return true;
    }
  }
  return false;
}

int peri_inherit_tcp(const struct addrinfo *list, bool any) {
  int count = passed_count();
  for (int n = 0; n < count; n++) {
    struct sockaddr_storage address;
    const struct sockaddr *passed = (const struct sockaddr *)&address;
    if (listens(FIRST + n, &address) && is_inet(passed) && matches(passed, list, any)) {
      return take(n);
    }
  }
  return -1;
}

int peri_inherit_unix(const struct sockaddr_un *wanted) {
  int count = passed_count();
  for (int n = 0; n < count; n++) {
    struct sockaddr_storage address;
    const struct sockaddr_un *passed = (const struct sockaddr_un *)&address;
    if (listens(FIRST + n, &address) && passed->sun_family == AF_UNIX &&
        strcmp(passed->sun_path, wanted->sun_path) == 0) {
      return take(n);
    }
  }
  return -1;
}

void peri_inherit_warn(void) {
  int count = passed_count();
  for (int n = 0; n < count; n++) {
    struct sockaddr_storage address;
    char text[128];
    if ((atomic_load(&taken) >> n & 1) != 0 || !listens(FIRST + n, &address)) {
      continue;
    }
    peri_address_text((const struct sockaddr *)&address, text, sizeof text);
    peri_log(PERI_LOG_WARN, "SOCKET-UNUSED",
             "a socket for %s was passed to this process, and no script listens on it", text);
  }
}
