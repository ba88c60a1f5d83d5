// SPDX-License-Identifier: MIT
// Hessian into and out of Lua tables: CPU time of one value, the best of five windows.
//
//   hessian SECONDS < order.hex        prints decode_us and encode_us
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lua/value.h"

enum { ROUNDS = 5, BATCH = 1000 };

static uint8_t bytes[65536];
static peri_value_limits limits;
static const peri_serializer *serializer;

static double cpu(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static size_t read_hex(void) {
  size_t count = 0;
  unsigned byte;
  while (count < sizeof bytes && scanf("%2x", &byte) == 1) {
    bytes[count++] = (uint8_t)byte;
  }
  return count;
}

static void check(int rc, const peri_err *err) {
  if (rc != 0) {
    fprintf(stderr, "%s\n", err->text);
    exit(1);
  }
}

static void decode(lua_State *L, size_t len) {
  peri_err err;
  check(
      peri_value_decode(L, serializer, (peri_bytes){bytes, len}, &limits, PERI_INT64_NUMBER, &err),
      &err);
}

static void encode(lua_State *L, peri_buf *out) {
  peri_err err;
  out->len = 0;
  check(peri_value_encode(L, -1, serializer, &limits, out, &err), &err);
}

// The first window warms up.
static double measure(lua_State *L, size_t len, peri_buf *out, double seconds) {
  double best = 1e9;
  for (int round = -1; round < ROUNDS; round++) {
    double began = cpu();
    double end = began + seconds * 1e6 / (ROUNDS + 1);
    double now = began;
    long runs = 0;
    for (; now < end; runs += BATCH, now = cpu()) {
      for (int i = 0; i < BATCH; i++) {
        if (out != NULL) {
          encode(L, out);
        } else {
          decode(L, len);
          lua_pop(L, 1);
        }
      }
    }
    double each = (now - began) / (double)runs;
    best = round >= 0 && each < best ? each : best;
  }
  return best;
}

int main(int argc, char **argv) {
  double seconds = argc > 1 ? strtod(argv[1], NULL) : 2;
  size_t len = read_hex();
  peri_buf out = {0};
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  lua_newtable(L);
  peri_value_register(L);
  limits = PERI_VALUE_LIMITS_DEFAULT;
  serializer = peri_serializer_by_name("hessian2");
  decode(L, len);
  double encode_us = measure(L, len, &out, seconds / 2);
  double decode_us = measure(L, len, NULL, seconds / 2);
  printf("{\"decode_us\":%.4f,\"encode_us\":%.4f}\n", decode_us, encode_us);
  peri_buf_fini(&out);
  lua_close(L);
  return 0;
}
