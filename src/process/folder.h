// SPDX-License-Identifier: MIT
// Watches folders for a VM: changes are reported by file name, each name once per turn.
#pragma once
#include "process/process.h"

// Starts watching; `ref` (taken) is called with the changed name, '' for "look at everything".
// Returns the watch's number (> 0), or PERI_E* with err.
int peri_folder_watch(peri_worker *worker, const char *path, int ref, peri_err *err);
// Unknown numbers are ignored.
void peri_folder_unwatch(peri_worker *worker, int number);
void peri_folder_close_all(peri_worker *worker);
