// SPDX-License-Identifier: MIT
// A thread with its loop and VM, and what crosses into it.
#pragma once
#include "process/process.h"

// Starts the thread; it runs `chunk` with `argument` (both copied) in a first fiber. Blocks until
// the VM is up. PERI_E* when it could not be made (err).
int peri_worker_start(peri_worker *worker, peri_process *process, int number, const char *chunk,
                      size_t len, const char *argument, peri_err *err);
// Any thread: asks the loop to stop; the thread then closes its VM and ends.
void peri_worker_stop(peri_worker *worker);
// Main thread, after STOPPED. Its loop still takes messages, so that nobody has to know.
void peri_worker_join(peri_worker *worker);
// Main thread, once every thread is joined: frees the loop. Tolerates one that never started. False when
// it does not end for a request on the thread pool (peri_loop_fini).
bool peri_worker_fini(peri_worker *worker);
// Registers `ref` (taken) for letters of that name, in place of an earlier one. Worker thread.
void peri_worker_on_letter(peri_worker *worker, const char *name, int ref);
// Any thread: wakes the loop, so that its turn counter shows that it lives.
void peri_worker_ping(peri_worker *worker);
// Control thread: hands over an accepted socket (takes `fd`).
void peri_worker_hand(peri_worker *worker, int fd, const char *const *protocols,
                      peri_ticket *ticket);
// Control thread: connections of the worker, the ones on their way to it included; exact.
uint32_t peri_worker_load(peri_worker *worker);
