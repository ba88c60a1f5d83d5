// SPDX-License-Identifier: MIT
// Calls of consumers that know no types of the service: their arguments are name, types and list of the
// arguments, and the attachment `generic` says so.
#pragma once
#include "lua/vm.h"

// Puts the arguments of the list in place of the `count` ones from `first` on, which end at the top, if
// the call is such a one. One whose values are texts in JSON is left to the filter `generic`. Returns
// how many there are then, or PERI_E*.
int peri_generic_spread(peri_vm *vm, const peri_call *call, lua_State *co, int first, int count,
                        peri_err *err);
