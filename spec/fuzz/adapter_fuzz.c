// SPDX-License-Identifier: MIT
// The adapter: whatever the first bytes are, the answer comes within the promised number of bytes,
// does not change when more arrive, and nothing is read beyond the bytes given.
#include <stdlib.h>

#include "base/mem.h"
#include "protocol/adapter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  size_t most = 0;
  const peri_protocol *protocol;
  for (size_t n = 0; (protocol = peri_protocol_at(n)) != NULL; n++) {
    most = protocol->match_max > most ? protocol->match_max : most;
  }
  bool decided = false;
  const peri_protocol *found = NULL;
  for (size_t n = 1; n <= len && n <= most + 2; n++) {
    uint8_t *exact = (uint8_t *)peri_malloc(n);  // so that over-reads are seen
    memcpy(exact, data, n);
    bool more;
    const peri_protocol *now = peri_adapter_match(NULL, exact, n, &more);
    peri_check(!decided || (now == found && !more));
    decided = decided || now != NULL || !more;
    found = now;
    peri_check(decided || n < most);
    free(exact);
  }
  return 0;
}
