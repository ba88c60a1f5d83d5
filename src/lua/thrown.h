// SPDX-License-Identifier: MIT
// Java exceptions in serializations that have no classes: what names the class there is a field.
#pragma once
#include <lua.h>

#include "protocol/serializer.h"

// Pushes the exception at `index` (absolute) as `serializer` can write it for a Java peer; one
// value. May raise Lua's memory error.
void peri_thrown_push(lua_State *L, int index, const peri_serializer *serializer);
// The same as details of an error, for peers of ours: {"@class": its class, "@fields": it}, and its
// cause likewise.
void peri_thrown_push_details(lua_State *L, int index);
