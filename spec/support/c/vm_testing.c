// SPDX-License-Identifier: MIT
// A VM of the runtime inside the interpreter that runs the specs: `luaopen_peri_vm_testing`. It has a
// loop, a listener on 127.0.0.1 whose connections it serves itself, and a clock that specs put
// forward. The specs' interpreter and the VM share nothing but bytes. See spec/support/vm.lua.
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "lua/raw.h"
#include "lua/ref.h"
#include "lua/vm.h"
#include "protocol/counters.h"
#include "transport/listener.h"

int luaopen_peri_vm_testing(lua_State *L);

typedef struct fixture {
  peri_loop loop;
  peri_vm *vm;
  peri_listener *listener;
  char *library;
  char *result;  // what the chunk gave to core.test_exit
  size_t result_len;
  long refs;
} fixture;

// --- the clock ---------------------------------------------------------------------------------

// It counts turns, so that what specs see of time does not depend on how busy the machine is.
enum { TURN_NS = 500000 };

static const peri_env_ops *real_env;
static uint64_t started_ns, ahead_ns;

static uint64_t test_hrtime(void) {
  return started_ns + ahead_ns;
}

static uint64_t test_walltime(void) {
  return real_env->walltime() + ahead_ns / 1000000u;
}

static uint64_t test_seed(void) {
  return 0x9e3779b97f4a7c15u;
}

static const peri_env_ops test_env = {test_hrtime, test_walltime, test_seed};

// --- what the VM's scripts get -----------------------------------------------------------------

static fixture *fixture_of(lua_State *L) {
  return peri_vm_of(L)->user;
}

static int test_exit(lua_State *L) {
  fixture *f = fixture_of(L);
  size_t len;
  const char *text = luaL_checklstring(L, 1, &len);
  if (f->result == NULL) {
    f->result = peri_strndup(text, len);
    f->result_len = len;
  }
  return 0;
}

static int test_url(lua_State *L) {
  const char *url = peri_listener_url(fixture_of(L)->listener);
  lua_pushfstring(L, "joyrpc%s", strchr(url, ':'));
  return 1;
}

// core.test_raw(on): whether the memory of LuaJIT is read, or its API asked for everything. Returns
// whether it was read before.
static int test_raw(lua_State *L) {
  bool on = lua_toboolean(L, 1);
  lua_pushboolean(L, atomic_exchange(&peri_raw_works, on));
  return 1;
}

static int test_advance(lua_State *L) {
  ahead_ns += (uint64_t)(luaL_checknumber(L, 1) * 1e6);
  return 0;
}

static int test_stats(lua_State *L) {
  const peri_vm *vm = peri_vm_of(L);
  const struct {
    const char *name;
    double value;
  } rows[] = {
      {"calls", vm->server.calls.live},
      {"futures", vm->futures.slots.live},
      {"fibers", vm->fibers.slots.live - vm->fibers.pooled},
      {"links", vm->links.live},
      {"accepted", vm->accepted_slots.live},
      {"script_errors", (double)vm->script_errors},
      {"completed", (double)vm->futures.completed},
      {"late", (double)peri_protocol_counter_get(PERI_COUNT_LATE)},
      {"timeouts", (double)vm->futures.timeouts},
      {"cancelled", (double)vm->futures.cancelled},
      {"arrived", (double)vm->server.arrived},
      {"answered", (double)vm->server.answered},
      {"failed", (double)vm->server.failed},
      {"dropped", (double)vm->server.dropped},
      {"expired", (double)vm->server.expired},
      {"turns", (double)vm->loop->turns},
  };
  lua_createtable(L, 0, 16);
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    lua_pushnumber(L, rows[i].value);
    lua_setfield(L, -2, rows[i].name);
  }
  return 1;
}

// Closes the connections this VM accepted, as a peer that dies would.
static int test_drop_accepted(lua_State *L) {
  const peri_vm *vm = peri_vm_of(L);
  for (peri_list *n = vm->accepted.next; n != &vm->accepted;) {
    peri_accepted *accepted = peri_container(n, peri_accepted, link);
    n = n->next;
    peri_conn_close(accepted->conn, PERI_ECLOSED);
  }
  return 0;
}

static int test_limit(lua_State *L) {
  peri_server_limits *limits = &peri_vm_of(L)->server.limits;
  static const char *const names[] = {"queue_ms", "timeout_ms", "calls_per_conn", NULL};
  uint32_t value = (uint32_t)luaL_checknumber(L, 2);
  switch (luaL_checkoption(L, 1, NULL, names)) {
  case 0: limits->queue_ms = value; break;
  case 1: limits->timeout_ms = value; break;
  default: limits->calls_per_conn = value;
  }
  return 0;
}

static const luaL_Reg vm_functions[] = {
    {"test_exit", test_exit},   {"test_url", test_url},
    {"test_raw", test_raw},     {"test_advance", test_advance},
    {"test_stats", test_stats}, {"test_drop_accepted", test_drop_accepted},
    {"test_limit", test_limit}, {NULL, NULL},
};

// --- what the specs call -----------------------------------------------------------------------

static void on_accepted(void *arg, peri_listener *listener, int fd) {
  fixture *f = arg;
  (void)listener;
  peri_vm_accept(f->vm, fd, NULL, NULL, NULL);
}

static fixture *check_fixture(lua_State *L) {
  fixture *f = luaL_checkudata(L, 1, "peri.test.vm");
  luaL_argcheck(L, f->vm != NULL, 1, "closed");
  return f;
}

// new(library) -> vm
static int vm_new(lua_State *L) {
  peri_err err;
  const char *library = luaL_checkstring(L, 1);
  fixture *f = lua_newuserdata(L, sizeof *f);
  memset(f, 0, sizeof *f);
  luaL_getmetatable(L, "peri.test.vm");
  lua_setmetatable(L, -2);
  if (real_env == NULL) {
    real_env = peri_env;
  }
  ahead_ns = 0;
  started_ns = real_env->hrtime();
  peri_env = &test_env;
  if (getenv("PERI_SPEC_LOG") == NULL) {
    peri_log_threshold = PERI_LOG_OFF;
  }
  f->refs = peri_ref_count();
  f->library = peri_strdup(library);
  if (peri_loop_init(&f->loop) != 0) {
    return luaL_error(L, "no loop");
  }
  peri_vm_options options = {.role = "worker", .worker = 1, .workers = 1, .library = f->library};
  f->vm = peri_vm_new(&f->loop, &options, &err);
  if (f->vm == NULL) {
    return luaL_error(L, "%s", err.text);
  }
  f->vm->user = f;
  peri_vm_add(f->vm, vm_functions);
  f->listener = peri_listener_open("tcp://127.0.0.1:0", NULL, &err);
  if (f->listener == NULL || peri_listener_start(f->listener, &f->loop, on_accepted, f) != 0) {
    return luaL_error(L, "%s", err.text);
  }
  return 1;
}

// vm:run(source, name, argument)
static int vm_run(lua_State *L) {
  size_t len;
  fixture *f = check_fixture(L);
  const char *source = luaL_checklstring(L, 2, &len);
  peri_vm_run(f->vm, source, len, luaL_checkstring(L, 3), luaL_optstring(L, 4, ""));
  return 0;
}

// vm:turn() -> result of the chunk, or nil
static int vm_turn(lua_State *L) {
  fixture *f = check_fixture(L);
  ahead_ns += TURN_NS;
  peri_loop_turn(&f->loop, 5);
  if (f->result == NULL) {
    return 0;
  }
  lua_pushlstring(L, f->result, f->result_len);
  return 1;
}

static void set(lua_State *L, const char *name, double value) {
  lua_pushnumber(L, value);
  lua_setfield(L, -2, name);
}

// vm:close() -> what is left over, each 0 when nothing leaked
static int vm_close(lua_State *L) {
  fixture *f = check_fixture(L);
  enum { TURNS = 400 };
  peri_listener_close(f->listener);
  peri_vm_close(f->vm);
  for (int i = 0; i < TURNS && !peri_vm_idle(f->vm); i++) {
    ahead_ns += TURN_NS;
    peri_loop_turn(&f->loop, 5);
  }
  lua_newtable(L);
  set(L, "busy", peri_vm_idle(f->vm) ? 0 : 1);
  set(L, "calls", f->vm->server.calls.live);
  set(L, "futures", f->vm->futures.slots.live);
  set(L, "links", f->vm->links.live);
  set(L, "accepted", f->vm->accepted_slots.live);
  set(L, "fibers", f->vm->fibers.slots.live - f->vm->fibers.pooled);
  set(L, "errors", (double)f->vm->script_errors);
  bool sound = f->vm->futures.slots.live == 0;
  if (sound) {
    peri_vm_free(f->vm);
    set(L, "handles", peri_loop_fini(&f->loop));
  }
  f->vm = NULL;
  free(f->library);
  free(f->result);
  peri_env = real_env;
  return 1;
}

static const luaL_Reg methods[] = {
    {"run", vm_run},
    {"turn", vm_turn},
    {"close", vm_close},
    {NULL, NULL},
};

int luaopen_peri_vm_testing(lua_State *L) {
  luaL_newmetatable(L, "peri.test.vm");
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  luaL_register(L, NULL, methods);
  lua_newtable(L);
  lua_pushcfunction(L, vm_new);
  lua_setfield(L, -2, "new");
  return 1;
}
