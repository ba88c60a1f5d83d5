// SPDX-License-Identifier: MIT
// The one list of error codes. From it come the C enumerators, the names Lua and the logs use, and
// the numbers other protocols know. A code says what happened; whether a call may be tried again is
// a property of the attempt (see peri_outcome), `retry` below only says what the code alone implies.
#pragma once

// X(NAME, wire number, retry, gRPC status, HTTP status, JSON-RPC code, text)
// The wire number travels in the native head: never change one, only add.
#define PERI_CODES(X)                                                                              \
  X(CANCELLED, 1, 0, 1, 499, -32001, "cancelled")                                                  \
  X(UNKNOWN, 2, 0, 2, 500, -32000, "unknown error")                                                \
  X(BAD_REQUEST, 3, 0, 3, 400, -32602, "bad request")                                              \
  X(TIMEOUT, 4, 0, 4, 504, -32004, "deadline exceeded")                                            \
  X(NOT_FOUND, 5, 0, 5, 404, -32005, "not found")                                                  \
  X(ALREADY_EXISTS, 6, 0, 6, 409, -32006, "already exists")                                        \
  X(FORBIDDEN, 7, 0, 7, 403, -32007, "forbidden")                                                  \
  X(LIMITED, 8, 0, 8, 429, -32008, "limit reached")                                                \
  X(PRECONDITION, 9, 0, 9, 412, -32009, "precondition failed")                                     \
  X(ABORTED, 10, 0, 10, 409, -32010, "aborted")                                                    \
  X(OUT_OF_RANGE, 11, 0, 11, 400, -32011, "out of range")                                          \
  X(NO_METHOD, 12, 0, 12, 501, -32601, "no such method")                                           \
  X(INTERNAL, 13, 0, 13, 500, -32603, "internal error")                                            \
  X(UNAVAILABLE, 14, 1, 14, 503, -32014, "unavailable")                                            \
  X(DATA_LOSS, 15, 0, 15, 500, -32015, "data loss")                                                \
  X(UNAUTHENTICATED, 16, 0, 16, 401, -32016, "not authenticated")                                  \
  X(OVERLOADED, 17, 1, 8, 503, -32017, "overloaded")                                               \
  X(SHUTDOWN, 18, 1, 14, 503, -32018, "shutting down")                                             \
  X(NO_SERVICE, 19, 1, 12, 404, -32019, "no such service")                                         \
  X(SESSION_LOST, 20, 1, 14, 503, -32020, "session lost")                                          \
  X(NO_NODE, 21, 1, 14, 503, -32021, "no node available")                                          \
  X(CLOSED, 22, 1, 14, 503, -32022, "connection closed")                                           \
  X(PROTOCOL, 23, 0, 13, 502, -32700, "protocol error")                                            \
  X(TOO_BIG, 24, 0, 8, 413, -32024, "limit on size exceeded")                                      \
  X(NO_MEMORY, 25, 0, 8, 507, -32025, "out of memory")                                             \
  X(SYSTEM, 26, 0, 13, 500, -32026, "system error")                                                \
  X(CONFIG, 27, 0, 9, 500, -32027, "bad configuration")                                            \
  X(CALL_OVER, 28, 0, 9, 500, -32028, "call is over")
