// SPDX-License-Identifier: MIT
// What filters ask of nearly every call in progress, from compiled Lua. Only the thread of the server.
#pragma once
#include <stdint.h>

// The same numbers stand in lua/perilune/entry/context.lua.
enum {
  PERI_FACT_LOCAL = 1,          // the peer is on this host
  PERI_FACT_AUTHENTICATED = 2,  // its session was checked
  PERI_FACT_NATIVE = 4,         // it is Perilune
  PERI_FACT_ONEWAY = 8,         // nobody waits for an answer
};

struct peri_server;

#pragma GCC visibility push(default)
/* FFI-BEGIN */
// Sum of PERI_FACT_*; 0 when the call is over.
uint32_t peri_call_facts(const struct peri_server *server, uint32_t slot, uint32_t gen);
// Address of the peer, who it proved to be. Borrowed until the next turn; NULL when there is none.
const char *peri_call_peer(const struct peri_server *server, uint32_t slot, uint32_t gen);
const char *peri_call_identity(const struct peri_server *server, uint32_t slot, uint32_t gen);
/* FFI-END */
#pragma GCC visibility pop
