// SPDX-License-Identifier: MIT
// Plain connections of scripts (perilune.connect): bytes in, bytes out, for registries and other
// plugins that talk to servers. What happens to one is told as calls of a Lua function, each in a
// fiber of its own: fn(id, 'open' | 'data' | 'closed', bytes or code, message).
#pragma once
#include "lua/vm.h"

extern const luaL_Reg peri_socket_functions[];
// Closes all of a VM.
void peri_socket_close_all(peri_vm *vm);
// The VM is about to be freed: whatever is still under way must not reach it.
void peri_socket_abandon(peri_vm *vm);
