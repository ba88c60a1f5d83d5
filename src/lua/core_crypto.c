// SPDX-License-Identifier: MIT
#include "lua/core_crypto.h"

#include "base/crypto.h"

static void push_hex(lua_State *L, const uint8_t *bytes, size_t len) {
  static const char digits[] = "0123456789abcdef";
  char text[2 * PERI_SHA256_SIZE];
  for (size_t i = 0; i < len; i++) {
    text[2 * i] = digits[bytes[i] >> 4];
    text[2 * i + 1] = digits[bytes[i] & 15];
  }
  lua_pushlstring(L, text, 2 * len);
}

// core.sha256(data) -> 64 hexadecimal digits
static int sha256(lua_State *L) {
  size_t len;
  uint8_t out[PERI_SHA256_SIZE];
  const char *data = luaL_checklstring(L, 1, &len);
  if (!peri_crypto_sha256(data, len, out)) {
    return luaL_error(L, "SHA-256 is not available");
  }
  push_hex(L, out, sizeof out);
  return 1;
}

// core.hmac_sha256(key, data) -> 64 hexadecimal digits
static int hmac_sha256(lua_State *L) {
  size_t key_len;
  size_t len;
  uint8_t out[PERI_SHA256_SIZE];
  const char *key = luaL_checklstring(L, 1, &key_len);
  const char *data = luaL_checklstring(L, 2, &len);
  if (!peri_crypto_hmac_sha256(key, key_len, data, len, out)) {
    return luaL_error(L, "HMAC-SHA-256 is not available");
  }
  push_hex(L, out, sizeof out);
  return 1;
}

// core.same(a, b) -> boolean; as slow for a wrong string as for a right one of the same length
static int same(lua_State *L) {
  size_t a_len;
  size_t b_len;
  const char *a = luaL_checklstring(L, 1, &a_len);
  const char *b = luaL_checklstring(L, 2, &b_len);
  lua_pushboolean(L, a_len == b_len && peri_crypto_equal(a, b, a_len));
  return 1;
}

const luaL_Reg peri_core_crypto_functions[] = {
    {"sha256", sha256},
    {"hmac_sha256", hmac_sha256},
    {"same", same},
    {NULL, NULL},
};
