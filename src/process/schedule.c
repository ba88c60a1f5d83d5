// SPDX-License-Identifier: MIT
#include "process/schedule.h"

#include <sched.h>
#include <sys/resource.h>
#include <uv.h>

// Linux keeps a nice value per thread, which the others of the process do not share.
enum { EXECUTOR_NICE = 10 };

// Not being allowed to is no failure, here and below.
void peri_schedule_executor(void) {
  (void)setpriority(PRIO_PROCESS, 0, EXECUTOR_NICE);
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
