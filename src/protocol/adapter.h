// SPDX-License-Identifier: MIT
// Finds the protocol of a connection by its first bytes. A magic may come byte by byte: each protocol
// answers yes, no or need more; the first yes in the registry's order wins unless an earlier protocol
// may still say yes.
#pragma once
#include "protocol/protocol.h"

// `allowed`: NULL-terminated names, NULL = all registered. Returns the protocol, or NULL with *more
// true when more bytes decide, false when nobody speaks this. Pure; needs no more than the largest
// match_max bytes to decide.
const peri_protocol *peri_adapter_match(const char *const *allowed, const uint8_t *data, size_t len,
                                        bool *more);
// The longest silent_ms among those protocols.
uint32_t peri_adapter_silent_ms(const char *const *allowed);
