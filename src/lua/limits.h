// SPDX-License-Identifier: MIT
// The limits of one VM by the names of the settings. The control VM and each worker get the same
// ones before anything is opened; those of the listeners belong to process/admit.h.
#pragma once
#include "lua/vm.h"

// core.set_limits(table) and core.limits().
extern const luaL_Reg peri_limits_functions[];

// Once per turn: looks at the memory of the VM. Above lua_memory everything is collected once, and if
// that does not help new calls are refused until it is below. A full collection is repeated only after
// a multiple of the time the last one took, so that a heap which is really full cannot stop the worker.
void peri_limits_check_memory(peri_vm *vm);
// Collects everything, or a little when that was done just now.
void peri_limits_collect(peri_vm *vm);
