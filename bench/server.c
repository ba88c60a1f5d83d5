// SPDX-License-Identifier: MIT
#include "server.h"

#include <sched.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static uint64_t read_clock(clockid_t clock) {
  struct timespec at;
  if (clock_gettime(clock, &at) < 0) {
    return 0;
  }
  return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

uint64_t bench_now_ns(void) {
  return read_clock(CLOCK_MONOTONIC);
}

uint64_t bench_cpu_ns(pid_t pid) {
  clockid_t clock;
  return clock_getcpuclockid(pid, &clock) == 0 ? read_clock(clock) : 0;
}

uint64_t bench_rss_bytes(pid_t pid) {
  char path[64];
  unsigned long total = 0;
  unsigned long resident = 0;
  snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
  FILE *file = fopen(path, "r");
  if (!file) {
    return 0;
  }
  if (fscanf(file, "%lu %lu", &total, &resident) != 2) {
    resident = 0;
  }
  fclose(file);
  return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

void bench_pin(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET((unsigned)core, &set);
  sched_setaffinity(0, sizeof set, &set);
}
