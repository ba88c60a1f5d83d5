// SPDX-License-Identifier: MIT
#include "process/schedule.h"

#include <sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <uv.h>

// Linux keeps both per thread; the others of the process do not share them.
enum { EXECUTOR_NICE = 10, EXECUTOR_SLICE_NS = 100000000 };

// Of sched_setattr(2), as long as it was at first. Not every C library declares it.
typedef struct attributes {
  uint32_t size, policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime_ns, deadline_ns, period_ns;
} attributes;

// Not being allowed to is no failure, here and below. Before Linux 6.12 only the nice value counts.
void peri_schedule_executor(void) {
  attributes executor = {.size = sizeof executor,
                         .policy = SCHED_OTHER,
                         .nice = EXECUTOR_NICE,
                         .runtime_ns = EXECUTOR_SLICE_NS};
  (void)syscall(SYS_sched_setattr, 0, &executor, 0);
}

void peri_schedule_workers(peri_process *process) {
  int count = atomic_load(&process->worker_count);
  bool turns =
      atomic_load(&process->executor_count) == 0 && (unsigned)count > uv_available_parallelism();
  struct sched_param none = {0};
  for (int i = 1; i <= count; i++) {
    // By the system's number: a thread that has ended meanwhile is no error, whoever joined it.
    pid_t tid = (pid_t)atomic_load(&process->workers[i].tid);
    if (tid != 0) {
      (void)sched_setscheduler(tid, turns ? SCHED_BATCH : SCHED_OTHER, &none);
    }
  }
}
