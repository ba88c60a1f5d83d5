// SPDX-License-Identifier: MIT
// A request before it is sent: what the fiber asked for (request_read.c) and the message it becomes
// (request_write.c). Private to lua/request.c.
#pragma once
#include "cluster/node.h"
#include "lua/callback.h"
#include "lua/connect.h"

// What was asked for. Bytes are those of strings on the fiber's stack.
typedef struct peri_asked {
  peri_conn *conn;
  peri_session *session;    // NULL = calls `callback`
  peri_link *link;          // NULL for a callback
  peri_callback *callback;  // of the peer; NULL for a call
  const peri_serializer *serializer;
  peri_counters *counters;  // of the node; NULL = nobody counts
  peri_bytes method;
  peri_bytes body;  // the only argument when it is a string and that was seen, else empty
  double timeout;   // ms
  uint32_t flags;
} peri_asked;

// Reasons of peri_request_read that are none: the call is one of this process, or of another
// worker's connection (then `callback` is set).
extern const char peri_request_local[], peri_request_far[];

// Fills `asked` from the values (WAIT, REQUEST, those of lua/connect.h, arguments) on `co`, which has
// room for FIXED of them afterwards. Returns NULL, or why the request cannot be begun.
const char *peri_request_read(peri_vm *vm, lua_State *co, peri_asked *asked);

// Writes the message; on failure nothing of it is left in the output buffer.
int peri_request_write(peri_vm *vm, lua_State *co, const peri_asked *asked, uint64_t stream,
                       uint32_t timeout_ms, peri_err *err);
