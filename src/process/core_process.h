// SPDX-License-Identifier: MIT
// The functions of perilune.core that concern the process: letters, listeners, workers, the end,
// shared values, metrics, log. Described in lua/perilune/_meta/core.lua.
#pragma once
#include "process/process.h"

// Adds them to the VM's table; vm->user must be its peri_worker.
void peri_core_process_add(peri_vm *vm, peri_process *process);

// In core_shared.c: shared_*, log, metrics.
extern const luaL_Reg peri_core_shared_functions[];
