// SPDX-License-Identifier: MIT
#include "lua/serve_generic.h"

#include <string.h>

#include "base/hot.h"
#include "lua/value.h"

// Name, types and list, the name being that of the method.
static bool has_form(lua_State *co, const peri_call *call, int first, int count) {
  size_t len;
  if (count != 3 || lua_type(co, first) != LUA_TSTRING) {
    return false;
  }
  const char *name = lua_tolstring(co, first, &len);
  int types = lua_type(co, first + 1);
  int list = lua_type(co, first + 2);
  return len == call->method->name_len && memcmp(name, call->method->name, len) == 0 &&
         (types == LUA_TTABLE || types == LUA_TNIL) && (list == LUA_TTABLE || list == LUA_TNIL);
}

static PERI_COLD int spread(lua_State *co, int first, peri_err *err) {
  int count = lua_istable(co, first + 2) ? (int)lua_objlen(co, first + 2) : 0;
  if (count > PERI_ARGS_MAX || !lua_checkstack(co, count + 4)) {
    return peri_fail(err, PERI_ETOO_BIG, "a call has at most %d arguments", PERI_ARGS_MAX);
  }
  for (int i = 1; i <= count; i++) {
    lua_rawgeti(co, first + 2, i);
    if (lua_islightuserdata(co, -1)) {  // null
      lua_pop(co, 1);
      lua_pushnil(co);
    }
  }
  for (int i = 0; i < 3; i++) {
    lua_remove(co, first);
  }
  return count;
}

int peri_generic_spread(const peri_call *call, lua_State *co, int first, int count, peri_err *err) {
  return has_form(co, call, first, count) ? spread(co, first, err) : count;
}
