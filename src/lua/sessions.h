// SPDX-License-Identifier: MIT
// Tells Lua of sessions that peers begin and end, where a listener asked for it (core.on_session).
#pragma once
#include "lua/vm.h"

// Queues the call of the hook; nothing without one. The peer's address is told while the connection
// has its channel. Above events_max waiting ones the news is dropped and counted.
void peri_sessions_tell(peri_vm *vm, peri_conn *conn, const peri_session *session, bool opened);
extern const luaL_Reg peri_sessions_functions[];
