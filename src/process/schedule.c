// SPDX-License-Identifier: MIT
#include "process/schedule.h"

#include <sched.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <uv.h>

// Linux keeps both per thread; the others of the process do not share them.
enum { NICE_MORE = 10, NICE_MOST = 19, EXECUTOR_SLICE_NS = 100000000 };

// Of sched_setattr(2), as long as it was at first. Not every C library declares it.
typedef struct attributes {
  uint32_t size, policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime_ns, deadline_ns, period_ns;
} attributes;

// Not being allowed to is no failure, here and below. Before Linux 6.12 only the nice value counts; a
// sandbox may know no more than that.
void peri_schedule_executor(void) {
  int nice = getpriority(PRIO_PROCESS, 0) + NICE_MORE;
  nice = nice < NICE_MOST ? nice : NICE_MOST;
  attributes executor = {.size = sizeof executor,
                         .policy = SCHED_OTHER,
                         .nice = nice,
                         .runtime_ns = EXECUTOR_SLICE_NS};
  if (syscall(SYS_sched_setattr, 0, &executor, 0) != 0) {
    (void)setpriority(PRIO_PROCESS, 0, nice);
  }
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
