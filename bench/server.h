// SPDX-License-Identifier: MIT
// What is read from outside of the process under measurement.
#pragma once
#include <stdint.h>
#include <sys/types.h>

// CPU time of process `pid` (0 = this one) in ns: all its threads, user and kernel. 0 when it
// cannot be read.
uint64_t bench_cpu_ns(pid_t pid);
// Resident anonymous and file memory of `pid` in bytes; 0 when it cannot be read.
uint64_t bench_rss_bytes(pid_t pid);
uint64_t bench_now_ns(void);
// Keeps this process on one core; a refusal is ignored (the method says what to do then).
void bench_pin(int core);
