// SPDX-License-Identifier: MIT
// The host's own addresses are read once: a list that is asked for each node of a long list must not
// cost system calls, and an address that comes later only makes a near node look far.
#include "cluster/host.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>

#define OWN_MOST 64

static pthread_once_t once = PTHREAD_ONCE_INIT;
static char own[OWN_MOST][INET6_ADDRSTRLEN];
static int own_count;

static void add(const struct sockaddr *address) {
  if (address == NULL || own_count == OWN_MOST) {
    return;
  }
  const void *bytes = NULL;
  if (address->sa_family == AF_INET) {
    bytes = &((const struct sockaddr_in *)(const void *)address)->sin_addr;
  } else if (address->sa_family == AF_INET6) {
    bytes = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
  }
  if (bytes && inet_ntop(address->sa_family, bytes, own[own_count], sizeof own[0])) {
    own_count++;
  }
}

static void read_own(void) {
  struct ifaddrs *list;
  if (getifaddrs(&list) == 0) {
    for (struct ifaddrs *i = list; i; i = i->ifa_next) {
      add(i->ifa_addr);
    }
    freeifaddrs(list);
  }
}

// The host of "host:port" or "[v6]:port".
static size_t host_of(const char *address, const char **host) {
  const char *end = strrchr(address, ':');
  size_t len = end ? (size_t)(end - address) : strlen(address);
  *host = address;
  if (len >= 2 && address[0] == '[' && address[len - 1] == ']') {
    *host = address + 1;
    len -= 2;
  }
  return len;
}

bool peri_node_is_local(const char *address) {
  if (address[0] == '/') {
    return true;  // a unix socket
  }
  const char *host;
  size_t len = host_of(address, &host);
  if ((len == 9 && memcmp(host, "localhost", 9) == 0) ||
      (len > 4 && memcmp(host, "127.", 4) == 0) || (len == 3 && memcmp(host, "::1", 3) == 0)) {
    return true;
  }
  pthread_once(&once, read_own);
  for (int i = 0; i < own_count; i++) {
    if (strlen(own[i]) == len && memcmp(own[i], host, len) == 0) {
      return true;
    }
  }
  return false;
}
