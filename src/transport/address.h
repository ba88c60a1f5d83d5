// SPDX-License-Identifier: MIT
// Addresses as people write them: "scheme://rest", where rest is "host:port", "[v6]:port", a path or
// a name.
#pragma once
#include "base/err.h"

struct addrinfo;

enum { PERI_HOST_MAX = 256 };

typedef struct peri_host {
  char host[PERI_HOST_MAX];  // without brackets; "" or "*" means every address (listening only)
  char port[6];              // decimal
} peri_host;

// Splits a URL: `scheme` (at least 16 bytes) gets "tcp", "unix" or "inproc".
// Returns the rest (borrowed from `url`), or NULL with err set.
const char *peri_address_split(const char *url, char scheme[16], peri_err *err);
// Reads "host:port". 0 or PERI_ECONFIG.
int peri_address_host(const char *text, peri_host *out, peri_err *err);
// For a name that the system could not resolve: the loopback address when it is "localhost", which
// means that everywhere, also where no hosts file says so; NULL for all other names. Free with
// freeaddrinfo. Does not block.
struct addrinfo *peri_address_loopback(const peri_host *host);
