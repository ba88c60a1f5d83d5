// SPDX-License-Identifier: MIT
// Logging from C. A line goes into a bounded ring and is written by one thread of its own, so that
// no loop waits for a terminal or a pipe; what does not fit is dropped and counted. Each line has a
// short stable tag (`CHANNEL-RESET`), by which it is rate-limited, found and documented. Control
// characters are escaped when the line is written. Any thread.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum peri_log_level {
  PERI_LOG_DEBUG,
  PERI_LOG_INFO,
  PERI_LOG_WARN,
  PERI_LOG_ERROR,
  PERI_LOG_OFF,
} peri_log_level;

// Lines below this level cost one comparison. Read without a lock.
extern peri_log_level peri_log_threshold;

#define peri_log(level, tag, ...)                                                                  \
  ((level) >= peri_log_threshold ? peri_log_write((level), (tag), __VA_ARGS__) : (void)0)

void peri_log_write(peri_log_level level, const char *tag, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// A line whose `fields` are already JSON members without braces (`"ms":3,"peer":"x"`), may be NULL.
void peri_log_fields(peri_log_level level, const char *tag, const char *text, size_t text_len,
                     const char *fields, size_t fields_len);

// Starts the writer thread. `json`: one object a line, else text. `per_tag`: most lines of one tag
// per second, 0 = no limit. Before start lines are written at once to stderr.
int peri_log_start(int fd, bool json, uint32_t per_tag);
// Writes what is left and ends the thread. Where nobody reads it, and no line goes out for half a second,
// the rest is dropped and counted.
void peri_log_stop(void);
// Lines dropped because the ring was full, and because their tag was over its rate.
uint64_t peri_log_dropped(void);
uint64_t peri_log_suppressed(void);
