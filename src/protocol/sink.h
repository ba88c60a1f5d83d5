// SPDX-License-Identifier: MIT
// The one way a structured value travels inside Perilune: as a sequence of calls on a sink. A
// decoder reads bytes and calls a sink; an encoder is a sink that writes bytes; the Lua adapter has
// a builder (a sink that makes Lua values) and a walker (which reads a Lua value and calls a sink).
// So each format is written once, transcoding needs no intermediate value, and the C core can read
// and write attachments without Lua.
//
// Every member returns 0 or a negative PERI_E*; the first failure ends the walk and is returned to
// whoever drives it. Calls are strictly nested. In a map, `key` comes before each value. Strings
// are borrowed until the call returns. A producer that does not know a count says
// PERI_COUNT_UNKNOWN; a count that is given is exact. A map's or list's key is never a map or a
// list itself. One thread, no blocking, no allocation that a peer sizes beyond the limits. A sink
// may leave by a Lua memory error (longjmp), so a producer owns nothing that it would have to free.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define PERI_COUNT_UNKNOWN SIZE_MAX

typedef struct peri_sink_ops {
  int (*null)(void *sink);
  int (*boolean)(void *sink, bool value);
  int (*integer)(void *sink, int64_t value);
  int (*uinteger)(void *sink, uint64_t value);  // only for values above INT64_MAX
  int (*number)(void *sink, double value);
  int (*string)(void *sink, const char *text, size_t len);    // UTF-8, checked by decoders
  int (*bytes)(void *sink, const uint8_t *data, size_t len);  // binary
  int (*list_begin)(void *sink, size_t count);
  int (*list_end)(void *sink);
  int (*map_begin)(void *sink, size_t count);
  int (*key)(void *sink, const char *text, size_t len);  // string keys, the common case
  // Announces that the next value is a key, for formats whose keys may be any scalar.
  int (*any_key)(void *sink);
  int (*map_end)(void *sink);
  // Names the class of the map or list that follows; formats without classes ignore it.
  int (*type)(void *sink, const char *name, size_t len);
} peri_sink_ops;

typedef struct peri_sink {
  const peri_sink_ops *ops;
  void *self;
} peri_sink;

// The deepest nesting any part can follow, whatever the limits say.
#define PERI_VALUE_DEPTH_MAX 128u

// What a decoder may build. Checked before memory is spent; exceeding one is PERI_ETOO_BIG.
typedef struct peri_value_limits {
  uint32_t depth;     // nested lists and maps; at most PERI_VALUE_DEPTH_MAX counts
  uint32_t elements;  // list elements and map entries of one value, in total
  uint32_t refs;      // back references (hessian2)
  uint32_t string;    // bytes of one string
} peri_value_limits;

#define PERI_VALUE_LIMITS_DEFAULT                                                                  \
  ((peri_value_limits){.depth = 64, .elements = 1u << 20, .refs = 1u << 16, .string = 8u << 20})

static inline uint32_t peri_value_depth(const peri_value_limits *limits) {
  return limits->depth < PERI_VALUE_DEPTH_MAX ? limits->depth : PERI_VALUE_DEPTH_MAX;
}
