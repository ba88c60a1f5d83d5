// SPDX-License-Identifier: MIT
// What the process tells its surroundings: systemd's notification socket, and a file with the bound
// addresses for those who asked for port 0.
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

// Sends `state` ("READY=1") to the socket named by NOTIFY_SOCKET; does nothing without one. Never
// blocks. Any thread.
void peri_notify(const char *state);
// How often systemd wants WATCHDOG=1, in ms (half of what it allows), 0 = not at all.
uint32_t peri_notify_watchdog_ms(void);
// Writes one URL a line to `path`, complete or not at all (written beside it, then renamed).
int peri_notify_write_ports(const char *path, const char *const *urls, size_t count, peri_err *err);
