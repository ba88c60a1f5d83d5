// SPDX-License-Identifier: MIT
// Memory per connection and per waiting handler, seen as growth of the server's resident memory.
#pragma once
#include <stdint.h>
#include <sys/types.h>

#include "wire.h"

// Opens `count` connections, sends one request on each, leaves them open, and prints the growth
// per connection. Returns the exit code.
int bench_idle_run(const bench_wire *wire, const bench_wire_conf *conf, int port, pid_t server,
                   uint32_t count);
// Sends `count` requests of the method `hold`, which the server does not answer, over
// `connections` and prints the growth per request. A request of the method of `conf` follows each
// wave of them; its reply shows that all before it have begun. Perilune only.
int bench_hold_run(const bench_wire *wire, const bench_wire_conf *conf, int port, pid_t server,
                   uint32_t connections, uint32_t count);
