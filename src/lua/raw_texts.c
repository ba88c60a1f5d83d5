// SPDX-License-Identifier: MIT
#include "lua/raw_texts.h"

#include <lauxlib.h>

#include "lua/raw_make.h"

void peri_raw_texts_init(lua_State *L, peri_raw_texts *texts) {
  memset(texts, 0, sizeof *texts);
  lua_createtable(L, PERI_TEXTS, 0);
  texts->kept = luaL_ref(L, LUA_REGISTRYINDEX);
}

void peri_raw_texts_miss(lua_State *L, peri_raw_texts *texts, uint32_t hash, const char *text,
                         size_t len) {
  uint32_t at = hash >> 25;
  lua_pushlstring(L, text, len);
  if (texts->rows[at].candidate != hash) {
    texts->rows[at].candidate = hash;
    return;
  }
  lua_rawgeti(L, LUA_REGISTRYINDEX, texts->kept);
  lua_pushvalue(L, -2);
  lua_rawseti(L, -2, (int)at + 1);
  lua_pop(L, 1);
  // Only now: the stack may have had no room for the above, and a row names what is kept.
  texts->rows[at].candidate = 0;
  texts->rows[at].len = (uint32_t)len;
  texts->rows[at].ends = peri_raw_ends_of(text, len);
  texts->rows[at].value = peri_raw_top(L)[-1];
}
