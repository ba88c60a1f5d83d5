// SPDX-License-Identifier: MIT
// The one way a structured value travels inside Perilune: as a sequence of calls on a peri_sink,
// whose contract stands in perilune.h. A decoder reads bytes and calls a sink; an encoder is a sink
// that writes bytes; the Lua adapter has a builder (a sink that makes Lua values) and a walker (which
// reads a Lua value and calls a sink). So each format is written once, transcoding needs no
// intermediate value, and the C core can read and write attachments without Lua.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum { PERI_SHAPE_FIELDS = 64 };  // shapes of more are not made

// An id for a new shape. Any thread.
uint64_t peri_shape_id(void);

// The deepest nesting any part can follow, whatever the limits say.
#define PERI_VALUE_DEPTH_MAX 128u

#define PERI_VALUE_LIMITS_DEFAULT                                                                  \
  ((peri_value_limits){.depth = 64, .elements = 1u << 20, .refs = 1u << 16, .string = 8u << 20})

static inline uint32_t peri_value_depth(const peri_value_limits *limits) {
  return limits->depth < PERI_VALUE_DEPTH_MAX ? limits->depth : PERI_VALUE_DEPTH_MAX;
}
