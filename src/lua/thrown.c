// SPDX-License-Identifier: MIT
#include "lua/thrown.h"

#include "lua/value_parts.h"

enum { CAUSES = 8, SLOTS = 8 };  // a cause may be a cycle

// The class of the table at `index`, on the stack; false with nothing pushed when it has none.
static bool push_class(lua_State *L, int index) {
  if (!lua_getmetatable(L, index)) {
    return false;
  }
  lua_pushlightuserdata(L, &peri_value_class_mark);
  lua_rawget(L, -2);
  lua_remove(L, -2);
  if (lua_type(L, -1) != LUA_TSTRING) {
    lua_pop(L, 1);
    return false;
  }
  return true;
}

static bool is(lua_State *L, int index, const char *name) {
  return lua_type(L, index) == LUA_TSTRING && strcmp(lua_tostring(L, index), name) == 0;
}

// A copy of the exception: `@type`, `message`, `cause`, and its own fields.
static void push_plain(lua_State *L, int index, int depth) {
  int copy = lua_gettop(L) + 1;
  lua_newtable(L);
  if (push_class(L, index)) {
    lua_setfield(L, copy, "@type");
  }
  lua_pushnil(L);
  while (lua_next(L, index)) {
    int value = lua_gettop(L);
    if (is(L, value - 1, "cause") && lua_istable(L, value)) {
      bool more = depth < CAUSES && lua_checkstack(L, SLOTS) && push_class(L, value);
      lua_settop(L, value);
      if (more) {
        push_plain(L, value, depth + 1);
        lua_setfield(L, copy, "cause");
      }
    } else if (is(L, value - 1, "detailMessage")) {
      lua_setfield(L, copy, "message");
    } else {
      lua_pushvalue(L, value - 1);
      lua_insert(L, value);
      lua_rawset(L, copy);
    }
    lua_settop(L, value - 1);
  }
}

void peri_thrown_push(lua_State *L, int index, const peri_serializer *serializer) {
  if (serializer->self_typed || !lua_istable(L, index)) {
    lua_pushvalue(L, index);
  } else {
    push_plain(L, index, 0);
  }
}

// Without its metatable.
static void push_copy(lua_State *L, int index) {
  int copy = lua_gettop(L) + 1;
  lua_newtable(L);
  lua_pushnil(L);
  while (lua_next(L, index)) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, copy);
  }
}

static void push_wrapped(lua_State *L, int index, int depth) {
  int wrapped = lua_gettop(L) + 1, cause = wrapped + 1;
  lua_createtable(L, 0, 2);
  if (push_class(L, index)) {
    lua_setfield(L, wrapped, "@class");
  }
  lua_pushliteral(L, "cause");
  lua_rawget(L, index);
  if (lua_istable(L, cause) && push_class(L, cause)) {
    lua_pop(L, 1);
    push_copy(L, index);
    if (depth < CAUSES && lua_checkstack(L, SLOTS)) {
      push_wrapped(L, cause, depth + 1);
    } else {
      lua_pushnil(L);
    }
    lua_setfield(L, -2, "cause");
  } else {
    lua_pushvalue(L, index);
  }
  lua_setfield(L, wrapped, "@fields");
  lua_settop(L, wrapped);
}

void peri_thrown_push_details(lua_State *L, int index) {
  push_wrapped(L, index, 0);
}
