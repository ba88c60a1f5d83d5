// SPDX-License-Identifier: MIT
// The end of a worker's service, in steps that a script paces: begin, wait until no call is left,
// finish. On the VM's thread.
#pragma once
#include "lua/vm.h"

// Tells every peer that no new calls are taken and refuses the ones that still come, so that they
// are tried elsewhere; those here go on. Peers that are not Perilune are served as long as they
// send.
void peri_drain_begin(peri_vm *vm);
// From now on they are refused too.
void peri_drain_refuse(peri_vm *vm);
// Calls queued or in progress.
uint32_t peri_drain_calls(const peri_vm *vm);
// Closes every accepted connection after what is queued for it was written.
void peri_drain_finish(peri_vm *vm);
