// SPDX-License-Identifier: MIT
// The registry of protocols. A built-in one is a line in `table`.
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

const peri_protocol *peri_protocol_at(size_t n) {
  return n < MOST ? table[n] : NULL;
}
