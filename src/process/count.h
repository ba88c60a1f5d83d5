// SPDX-License-Identifier: MIT
// Publishes the counters of a VM, which are plain numbers of its thread, to the metrics.
#pragma once
#include "lua/vm.h"

// Once before the first thread counts.
void peri_count_init(void);
// On the VM's thread, at the end of a drain.
void peri_count_vm(const peri_vm *vm);
