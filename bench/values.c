// SPDX-License-Identifier: MIT
// The load generator's arguments into and out of Lua, without a connection: CPU time of one value,
// the best of five windows. Every value has bytes of its own, as on the wire.
//
//   values SECONDS        prints decode and encode of each kind in nanoseconds
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lua/value.h"
#include "payload.h"

enum { ROUNDS = 5, BATCH = 1024, TEXT = 32 };

typedef struct subject {
  const char *name;
  const char *serializer;
  bench_kind kind;
  const char *head;  // of the list that the value is the only item of
  const char *tail;
} subject;

static const subject subjects[] = {
    {"msgpack_string", "msgpack", BENCH_MSGPACK_STR, "\x91", ""},
    {"msgpack_map", "msgpack", BENCH_MSGPACK_MAP, "\x91", ""},
    {"json_map", "json", BENCH_JSON_MAP, "[", "]"},
};

static uint8_t bytes[BATCH][256];
static size_t lens[BATCH];
static uint64_t seed;
static peri_value_limits limits;

static double cpu(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void make_batch(const subject *s) {
  for (int i = 0; i < BATCH; i++) {
    size_t head = strlen(s->head);
    memcpy(bytes[i], s->head, head);
    lens[i] = head + bench_payload_encode(s->kind, TEXT, ++seed, bytes[i] + head);
    memcpy(bytes[i] + lens[i], s->tail, strlen(s->tail));
    lens[i] += strlen(s->tail);
  }
}

static void check(int rc, const peri_err *err) {
  if (rc < 0) {
    fprintf(stderr, "%s\n", err->text);
    exit(1);
  }
}

// One batch; what it took of decoding and encoding is added to `took`.
static void run(lua_State *L, const subject *s, peri_buf *out, double took[2]) {
  const peri_serializer *serializer = peri_serializer_by_name(s->serializer);
  peri_err err;
  make_batch(s);
  double began = cpu();
  for (int i = 0; i < BATCH; i++) {
    lua_settop(L, 0);
    check(peri_value_decode_args(L, serializer, (peri_bytes){bytes[i], lens[i]}, &limits,
                                 PERI_INT64_NUMBER, &err),
          &err);
  }
  double decoded = cpu();
  for (int i = 0; i < BATCH; i++) {
    out->len = 0;
    check(peri_value_encode(L, 1, serializer, &limits, out, &err), &err);
  }
  took[0] += decoded - began;
  took[1] += cpu() - decoded;
}

static void measure(lua_State *L, const subject *s, peri_buf *out, double seconds, double best[2]) {
  best[0] = best[1] = 1e9;
  for (int round = -1; round < ROUNDS; round++) {  // the first window warms up
    double took[2] = {0, 0};
    double end = cpu() + seconds * 1e9 / (ROUNDS + 1);
    long runs = 0;
    for (; cpu() < end; runs += BATCH) {
      run(L, s, out, took);
    }
    for (int i = 0; round >= 0 && i < 2; i++) {
      double each = took[i] / (double)runs;
      best[i] = each < best[i] ? each : best[i];
    }
  }
}

int main(int argc, char **argv) {
  double seconds = argc > 1 ? strtod(argv[1], NULL) : 1;
  peri_buf out = {0};
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  lua_newtable(L);
  peri_value_register(L);
  limits = PERI_VALUE_LIMITS_DEFAULT;
  lua_State *co = lua_newthread(L);
  for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++) {
    double best[2];
    measure(co, &subjects[i], &out, seconds, best);
    printf("%s\"%s\":{\"decode_ns\":%.1f,\"encode_ns\":%.1f}", i == 0 ? "{" : ",", subjects[i].name,
           best[0], best[1]);
  }
  printf("}\n");
  peri_buf_fini(&out);
  lua_close(L);
  return 0;
}
