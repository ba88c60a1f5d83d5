// SPDX-License-Identifier: MIT
// Lua values and sinks: the builder makes a Lua value out of sink calls, the walker feeds a Lua
// value to a sink. Mapping (design section 4): null in a list is perilune.null, null as a map value
// is absence, plain null is nil; perilune.array marks a table as a list, an unmarked table is a
// list when its keys are exactly 1..n with n > 0; perilune.bytes is binary; perilune.typed carries
// a class; 64-bit integers beyond 2^53 follow `int64`. An empty list is marked by the builder,
// lists with items are not. Thread: the VM's. Never called below an FFI call.
//
// Decoding may raise Lua's memory error (the caller's protected call catches it; nothing leaks).
// Encoding with a C serializer raises nothing once it began to write, so `out` is never left with
// half a value; a Lua serializer is called protected and its result appended whole.
#pragma once
#include <lua.h>

#include "base/err.h"
#include "protocol/serializer.h"

typedef enum peri_int64_mode {
  PERI_INT64_NUMBER,
  PERI_INT64_CDATA,
  PERI_INT64_STRING
} peri_int64_mode;

enum { PERI_ARGS_MAX = 200 };  // arguments of one call

// Decodes one value and pushes it on `L` (exactly one value, nil for null). On failure nothing is
// pushed and `err` tells why. `L` must have room; the function calls lua_checkstack itself.
int peri_value_decode(lua_State *L, const peri_serializer *serializer, peri_bytes in,
                      const peri_value_limits *limits, peri_int64_mode int64, peri_err *err);

// Decodes one list and pushes its elements one by one (call arguments; null becomes nil). Returns
// the count (>= 0) or a negative code with nothing pushed. `raw` pushes its one string.
int peri_value_decode_args(lua_State *L, const peri_serializer *serializer, peri_bytes in,
                           const peri_value_limits *limits, peri_int64_mode int64, peri_err *err);

// Encodes the value at `index`, appending to `out`. On failure `out` is cut back to where it was.
// Cycles and depth end at limits->depth; functions, threads and foreign userdata are refused by
// name.
int peri_value_encode(lua_State *L, int index, const peri_serializer *serializer,
                      const peri_value_limits *limits, peri_buf *out, peri_err *err);

// Encodes `count` values from `first` on as one list (call arguments). nil becomes null.
int peri_value_encode_args(lua_State *L, int first, int count, const peri_serializer *serializer,
                           const peri_value_limits *limits, peri_buf *out, peri_err *err);

// Registers the Lua serializer {name, provider, id, encode, decode} at `index` in this VM, and with
// the process when it is the first VM to do so (under the loading lock). Returns 0 or a PERI_E*.
int peri_value_serializer_add(lua_State *L, int index, peri_err *err);

// Creates null, array, bytes, typed and class_of in the table at the top of the stack (module
// `perilune`). Once per VM, before any other function here.
void peri_value_register(lua_State *L);
