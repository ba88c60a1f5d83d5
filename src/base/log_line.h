// SPDX-License-Identifier: MIT
// One log line as text or JSON. What peers and scripts put into it cannot end the line, move the
// cursor or break the JSON.
#pragma once
#include "base/log.h"

typedef struct peri_log_line {
  peri_log_level level;
  uint64_t time_ms;  // since 1970-01-01 UTC
  const char *tag;   // borrowed, plain
  const char *text;  // borrowed, any bytes
  size_t text_len;
  const char *fields;  // borrowed JSON members without braces, or NULL
  size_t fields_len;
} peri_log_line;

// Returns the line with its line feed, owned (free), and its length.
//   2026-01-02T03:04:05.678Z WARN CHANNEL-RESET text ms=3 peer="x"
//   {"time":"2026-01-02T03:04:05.678Z","level":"warn","tag":"CHANNEL-RESET","text":"...","ms":3}
char *peri_log_line_new(const peri_log_line *line, bool json, size_t *len);
