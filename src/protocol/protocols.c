// SPDX-License-Identifier: MIT
// The registry of protocols. A built-in one is a line in `table`.
#include <stdio.h>
#include <string.h>

#include "protocol/dubbo/dubbo.h"
#include "protocol/joyrpc/joyrpc.h"
#include "protocol/protocol.h"

#define MOST 32u

static const peri_protocol *table[MOST] = {
    &peri_joyrpc,
    &peri_dubbo,
};

int peri_protocol_add(const peri_protocol *protocol) {
  for (size_t n = 0; n < MOST; n++) {
    if (table[n] == NULL) {
      table[n] = protocol;
      return 0;
    }
    if (strcmp(table[n]->name, protocol->name) == 0) {
      return PERI_EALREADY_EXISTS;
    }
  }
  return PERI_ELIMITED;
}

const peri_protocol *peri_protocol_by_name(const char *name) {
  for (size_t n = 0; n < MOST && table[n] != NULL; n++) {
    if (strcmp(table[n]->name, name) == 0) {
      return table[n];
    }
  }
  return NULL;
}

static bool is_scheme(const char *name, const char *url, size_t len) {
  return name != NULL && strlen(name) == len && memcmp(name, url, len) == 0;
}

const peri_protocol *peri_protocol_of_url(const char *url, char *transport, size_t size) {
  const char *rest = strstr(url, "://");
  size_t len = rest != NULL ? (size_t)(rest - url) : 0;
  for (size_t n = 0; len != 0 && n < MOST && table[n] != NULL; n++) {
    if (is_scheme(table[n]->name, url, len) || is_scheme(table[n]->scheme, url, len)) {
      snprintf(transport, size, "%s%s", rest[3] == '/' ? "unix" : "tcp", rest);
      return table[n];
    }
  }
  snprintf(transport, size, "%s", url);
  return NULL;
}

const peri_protocol *peri_protocol_at(size_t n) {
  return n < MOST ? table[n] : NULL;
}
