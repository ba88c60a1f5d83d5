// SPDX-License-Identifier: MIT
// Java's names of the types of arguments, declared once and named by a number in each request.
#pragma once
#include <lua.h>
#include <stdint.h>

#include "base/buf.h"

// The list behind a number in MessagePack, as event->args_type wants it; empty when there is none.
// Borrowed until the VM ends.
peri_bytes peri_argument_types(lua_State *L, uint32_t number);
// core.argument_types(list of names) -> number. The list stays for good: the caller asks once for each.
int peri_lua_argument_types(lua_State *L);
// Appends what Java calls the `count` values from `first` on, as event->args_type wants it; `function`
// is the protocol's function_class. Fails as BAD_REQUEST, with something in `out`, where a value may be
// two things to Java; `err` says what to do.
int peri_argument_classes(lua_State *co, int first, int count, const char *function, peri_buf *out,
                          peri_err *err);
