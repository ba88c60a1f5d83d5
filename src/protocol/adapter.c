// SPDX-License-Identifier: MIT
#include "protocol/adapter.h"

#include <string.h>

static bool is_allowed(const char *const *allowed, const char *name) {
  if (allowed == NULL) {
    return true;
  }
  for (; *allowed != NULL; allowed++) {
    if (strcmp(*allowed, name) == 0) {
      return true;
    }
  }
  return false;
}

// A protocol that still wants more than it promised to need does not match.
static peri_match ask(const peri_protocol *protocol, const uint8_t *data, size_t len) {
  peri_match match = protocol->match(data, len);
  return match == PERI_MATCH_NEED && len >= protocol->match_max ? PERI_MATCH_NO : match;
}

const peri_protocol *peri_adapter_match(const char *const *allowed, const uint8_t *data, size_t len,
                                        bool *more) {
  const peri_protocol *protocol;
  *more = false;
  for (size_t n = 0; (protocol = peri_protocol_at(n)) != NULL; n++) {
    if (protocol->match == NULL || protocol->match_max == 0 ||
        !is_allowed(allowed, protocol->name)) {
      continue;
    }
    peri_match match = ask(protocol, data, len);
    if (match == PERI_MATCH_NEED) {
      *more = true;
      return NULL;  // those behind it wait their turn
    }
    if (match == PERI_MATCH_YES) {
      return protocol;
    }
  }
  return NULL;
}

uint32_t peri_adapter_silent_ms(const char *const *allowed) {
  const peri_protocol *protocol;
  uint32_t longest = 0;
  for (size_t n = 0; (protocol = peri_protocol_at(n)) != NULL; n++) {
    if (protocol->silent_ms > longest && is_allowed(allowed, protocol->name)) {
      longest = protocol->silent_ms;
    }
  }
  return longest;
}
