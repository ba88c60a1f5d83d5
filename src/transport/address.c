// SPDX-License-Identifier: MIT
#include "transport/address.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

static const char *const schemes[] = {"tcp", "unix", "inproc"};

const char *peri_address_split(const char *url, char scheme[16], peri_err *err) {
  const char *colon = strstr(url, "://");
  size_t len = colon != NULL ? (size_t)(colon - url) : 0;
  for (size_t i = 0; colon != NULL && i < sizeof schemes / sizeof schemes[0]; i++) {
    if (strlen(schemes[i]) == len && strncmp(schemes[i], url, len) == 0) {
      strcpy(scheme, schemes[i]);
      return colon + 3;
    }
  }
  peri_fail(err, PERI_ECONFIG,
            "address '%.120s': write tcp://host:port, unix:///path or inproc://name", url);
  return NULL;
}

static int malformed(const char *text, peri_err *err) {
  return peri_fail(err, PERI_ECONFIG,
                   "address '%.120s': write host:port or [v6]:port, with a port from 0 to 65535",
                   text);
}

static int read_port(const char *digits, char port[6]) {
  size_t len = strlen(digits);
  if (len == 0 || len > 5 || strspn(digits, "0123456789") != len || atoi(digits) > 65535) {
    return -1;
  }
  strcpy(port, digits);
  return 0;
}

int peri_address_host(const char *text, peri_host *out, peri_err *err) {
  const char *colon = strrchr(text, ':');
  if (colon == NULL || read_port(colon + 1, out->port) != 0) {
    return malformed(text, err);
  }
  const char *host = text;
  size_t len = (size_t)(colon - text);
  if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
    host++;
    len -= 2;
  } else if (memchr(host, ':', len) != NULL) {
    return malformed(text, err);  // a bare IPv6 address leaves open where the port begins
  }
  if (len >= sizeof out->host) {
    return malformed(text, err);
  }
  memcpy(out->host, host, len);
  out->host[len] = '\0';
  return 0;
}

struct addrinfo *peri_address_loopback(const peri_host *host) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
  struct addrinfo *list = NULL;
  if (strcasecmp(host->host, "localhost") != 0 ||
      getaddrinfo("127.0.0.1", host->port, &hints, &list) != 0) {
    return NULL;
  }
  return list;
}
