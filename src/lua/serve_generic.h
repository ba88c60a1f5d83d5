// SPDX-License-Identifier: MIT
// Calls of consumers that know no types of the service (PERI_EV_GENERIC): their arguments are name,
// types and list of the arguments.
#pragma once
#include "lua/vm.h"

// Puts the arguments of the list in place of the `count` ones from `first` on, which end at the top, if
// they have that form. Returns how many there are then, or PERI_E*.
int peri_generic_spread(const peri_call *call, lua_State *co, int first, int count, peri_err *err);
