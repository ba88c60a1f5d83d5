// SPDX-License-Identifier: MIT
// What the error of a call says besides code and text.
#pragma once
#include "lua/vm.h"

// Appends it as the peer of the call takes it: the details at 4 of the stack, their class at 5 if
// they are an exception. What cannot be encoded is left out, with a line in the log.
void peri_error_encode(peri_vm *vm, const peri_call *call, lua_State *co, peri_buf *out);
