// SPDX-License-Identifier: MIT
// How the threads of the process share the cores that it may run on.
#pragma once
#include "process/process.h"

// The calling thread is an executor's: what it computes gives way to the workers, who need only a
// moment each. Being nice divides the core so; with a slice as long as what executors compute Linux
// also interrupts it at once for a worker that wakes, which it may otherwise do at the end of a
// slice of its own choice (about 3 ms) only.
void peri_schedule_executor(void);

// Control: after workers or executors were started or left out. Workers that outnumber the cores
// take turns (SCHED_BATCH): one that wakes does not interrupt another one's turn, which would cut
// its round of calls in two and cost two switches; that turn ends soon. With executors, which
// compute for long, each worker goes first when it wakes, as is usual.
void peri_schedule_workers(peri_process *process);
