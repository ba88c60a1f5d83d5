// SPDX-License-Identifier: MIT
// Between executor.c and job.c: the pool itself, and what each does for the other.
#pragma once
#include <pthread.h>

#include "entry/executor.h"

struct peri_pool {
  pthread_mutex_t lock;  // of everything below
  peri_list queue;       // of jobs
  peri_list idle;        // executors
  uint32_t staying;      // executors that do not leave
  _Atomic uint32_t most;
  uint64_t last;  // number given last
  peri_pool_stats stats;
  peri_executor *executors;
};

// Home: those of `jobs` for which there is room are the pool's; the others stay.
void peri_pool_put(peri_pool *pool, peri_list *jobs);
// Home: takes back a job that waits. False when it does not: then who runs it is told why nobody wants
// the answer, and it comes home by itself.
bool peri_pool_withdraw(peri_pool *pool, peri_job *job, int code);
void peri_job_free(peri_job *job);
