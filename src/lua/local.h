// SPDX-License-Identifier: MIT
// Calls of services that this worker exports itself: no connection, no frames. Arguments and result are
// encoded and decoded as on the wire, so that both ends share nothing and what works here works there.
#pragma once
#include "lua/vm.h"

// (WAIT, REQUEST, true, exporter, method, args, timeout, attachments, flags, serialization): parks or
// wakes the fiber. The results are those of a request.
void peri_local_begin(peri_vm *vm, peri_fiber *fiber, void (*done)(peri_future *future));
