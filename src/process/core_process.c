// SPDX-License-Identifier: MIT
#include "process/core_process.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "lua/ref.h"
#include "process/accept.h"
#include "process/drain.h"
#include "process/embed.h"
#include "process/folder.h"
#include "process/notify.h"
#include "process/schedule.h"
#include "process/worker.h"

static peri_worker *worker_of(lua_State *L) {
  return peri_vm_of(L)->user;
}

static peri_process *process_of(lua_State *L) {
  return worker_of(L)->process;
}

static void need_control(lua_State *L, const char *name) {
  if (worker_of(L)->number != 0) {
    luaL_error(L, "core.%s belongs to the control VM", name);
  }
}

static int fail(lua_State *L, const peri_err *err) {
  lua_pushnil(L);
  lua_pushstring(L, err->text);
  return 2;
}

// core.post(worker, name, payload) -> boolean
static int post(lua_State *L) {
  size_t len;
  int to = (int)luaL_checkinteger(L, 1);
  const char *name = luaL_checkstring(L, 2);
  const char *payload = luaL_optlstring(L, 3, "", &len);
  lua_pushboolean(L,
                  peri_process_post(process_of(L), to, worker_of(L)->number, name, payload, len));
  return 1;
}

static int on_message(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_pushvalue(L, 2);
  peri_worker_on_letter(worker_of(L), name, peri_ref(L));
  return 0;
}

// core.on_signal(fn): a letter like any other, which main sends.
static int on_signal(lua_State *L) {
  need_control(L, "on_signal");
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_pushvalue(L, 1);
  peri_worker_on_letter(worker_of(L), "signal", peri_ref(L));
  atomic_store(&process_of(L)->handles_signals, true);
  return 0;
}

// Copies a list of strings for the life of the process. NULL for anything else.
static const char *const *copy_names(lua_State *L, int index) {
  if (!lua_istable(L, index)) {
    return NULL;
  }
  size_t count = lua_objlen(L, index);
  const char **names = peri_calloc(count + 1, sizeof *names);
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, index, (int)i + 1);
    names[i] = peri_strdup(lua_isstring(L, -1) ? lua_tostring(L, -1) : "");
    lua_pop(L, 1);
  }
  return names;
}

// core.listen(url [, protocols]) -> url, or nil, message
static int listen_on(lua_State *L) {
  peri_err err;
  need_control(L, "listen");
  const char *url = luaL_checkstring(L, 1);
  const char *bound = peri_accept_listen(process_of(L), url, copy_names(L, 2), &err);
  if (bound == NULL) {
    return fail(L, &err);
  }
  lua_pushstring(L, bound);
  return 1;
}

// core.accept() -> true, or nil, message
static int accept_all(lua_State *L) {
  peri_err err;
  need_control(L, "accept");
  if (peri_accept_start(process_of(L), &err) != 0) {
    return fail(L, &err);
  }
  lua_pushboolean(L, 1);
  return 1;
}

// core.unlisten(url) -> boolean: the bound URL; connections accepted there stay
static int unlisten(lua_State *L) {
  need_control(L, "unlisten");
  lua_pushboolean(L, peri_accept_end(process_of(L), luaL_checkstring(L, 1)));
  return 1;
}

static int stop_accepting(lua_State *L) {
  need_control(L, "stop_accepting");
  peri_accept_stop(process_of(L));
  return 0;
}

// core.start_workers(n, chunk, argument [, executors]) -> true, or nil, message
static int start_workers(lua_State *L) {
  peri_err err;
  size_t len;
  need_control(L, "start_workers");
  peri_process *process = process_of(L);
  int n = (int)luaL_checkinteger(L, 1);
  const char *chunk = luaL_checklstring(L, 2, &len);
  const char *argument = luaL_optstring(L, 3, "");
  luaL_argcheck(L, n >= 1 && n <= PERI_WORKERS_MAX, 1, "must be from 1 to 256");
  if (atomic_load(&process->worker_count) != 0) {
    return luaL_error(L, "the workers run already");
  }
  int executors = (int)luaL_optinteger(L, 4, 0);
  luaL_argcheck(L, executors >= 0 && executors <= PERI_EXECUTORS_MAX, 4, "must be from 0 to 256");
  atomic_store(&process->worker_count, n);
  atomic_store(&process->executor_count, executors);
  for (int i = 1; i <= n + executors; i++) {
    if (peri_worker_start(&process->workers[i], process, i, chunk, len, argument, &err) != 0) {
      return fail(L, &err);
    }
  }
  peri_schedule_workers(process);
  lua_pushinteger(L, n);
  lua_getfield(L, LUA_REGISTRYINDEX, "perilune.core");
  lua_insert(L, -2);
  lua_setfield(L, -2, "workers");
  lua_pushinteger(L, executors);
  lua_setfield(L, -2, "executors");
  lua_pushboolean(L, 1);
  return 1;
}

// core.add_executors(count, chunk, argument) -> true, or nil, message and none was added
static int add_executors(lua_State *L) {
  peri_err err;
  size_t len;
  need_control(L, "add_executors");
  peri_process *process = process_of(L);
  int count = (int)luaL_checkinteger(L, 1);
  const char *chunk = luaL_checklstring(L, 2, &len);
  const char *argument = luaL_checkstring(L, 3);
  int before = atomic_load(&process->executor_count);
  luaL_argcheck(L, count >= 1 && before + count <= PERI_EXECUTORS_MAX, 1, "must be from 1 to 256");
  int first = peri_process_vms(process) + 1;
  for (int i = first; i < first + count; i++) {
    if (peri_worker_start(&process->workers[i], process, i, chunk, len, argument, &err) != 0) {
      while (--i >= first) {
        peri_worker_stop(&process->workers[i]);
      }
      return fail(L, &err);
    }
  }
  atomic_store(&process->executor_count, before + count);
  peri_schedule_workers(process);
  lua_pushboolean(L, 1);
  return 1;
}

// core.keep_executors(count): the others are no longer among the VMs; core.end_executor ends them.
static int keep_executors(lua_State *L) {
  peri_process *process = process_of(L);
  int count = (int)luaL_checkinteger(L, 1);
  need_control(L, "keep_executors");
  luaL_argcheck(L, count >= 0 && count <= atomic_load(&process->executor_count), 1, "too many");
  atomic_store(&process->executor_count, count);
  peri_schedule_workers(process);
  return 0;
}

// core.end_executor(number): of its VM, which keep_executors left out
static int end_executor(lua_State *L) {
  peri_process *process = process_of(L);
  int number = (int)luaL_checkinteger(L, 1);
  need_control(L, "end_executor");
  luaL_argcheck(L, number > peri_process_vms(process) && number <= PERI_VMS_MAX, 1,
                "is no such executor");
  peri_worker_stop(&process->workers[number]);
  return 0;
}

static void set_count(lua_State *L, const char *name, double count) {
  lua_pushnumber(L, count);
  lua_setfield(L, -2, name);
}

// core.executor_stats() -> {executors, busy, queued, done, refused, late}
static int executor_stats(lua_State *L) {
  peri_pool_stats stats;
  peri_pool_stats_get(process_of(L)->pool, &stats);
  lua_createtable(L, 0, 6);
  set_count(L, "executors", stats.executors);
  set_count(L, "busy", stats.busy);
  set_count(L, "queued", stats.queued);
  set_count(L, "done", (double)stats.done);
  set_count(L, "refused", (double)stats.refused);
  set_count(L, "late", (double)stats.late);
  return 1;
}

static int end_process(lua_State *L) {
  peri_process_exit(process_of(L), (int)luaL_optinteger(L, 1, 0) & 0xff);
  return 0;
}

static int end_now(lua_State *L) {
  (void)fflush(stdout);
  peri_process_end_now((int)luaL_optinteger(L, 1, 0) & 0xff);
}

// core.supervise{stall_ms=, drain_ms=, executor_stall_ms=}
static int supervise(lua_State *L) {
  peri_process *process = process_of(L);
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_getfield(L, 1, "stall_ms");
  lua_getfield(L, 1, "drain_ms");
  lua_getfield(L, 1, "executor_stall_ms");
  if (lua_isnumber(L, -1)) {
    atomic_store(&process->executor_stall_ms, (uint32_t)lua_tonumber(L, -1));
  }
  lua_pop(L, 1);
  if (lua_isnumber(L, -2)) {
    atomic_store(&process->stall_ms, (uint32_t)lua_tonumber(L, -2));
  }
  if (lua_isnumber(L, -1)) {
    atomic_store(&process->drain_ms, (uint32_t)lua_tonumber(L, -1));
  }
  return 0;
}

static uint32_t limit_field(lua_State *L, const char *name) {
  lua_getfield(L, 1, name);
  double value = luaL_checknumber(L, -1);
  lua_pop(L, 1);
  return value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}

// core.limit_connections{connections=, connections_per_listener=, connections_per_peer=, letters=,
// executor_queue=}
static int limit_connections(lua_State *L) {
  peri_process *process = process_of(L);
  luaL_checktype(L, 1, LUA_TTABLE);
  need_control(L, "limit_connections");
  const peri_admit_limits limits = {
      .connections = limit_field(L, "connections"),
      .per_listener = limit_field(L, "connections_per_listener"),
      .per_peer = limit_field(L, "connections_per_peer"),
  };
  peri_admission_set(process->admission, &limits);
  atomic_store(&process->letters_max, limit_field(L, "letters"));
  peri_pool_limit(process->pool, limit_field(L, "executor_queue"));
  return 0;
}

static int notify(lua_State *L) {
  peri_process *process = process_of(L);
  const char *text = luaL_checkstring(L, 1);
  if (!process->embedded) {
    peri_notify(text);
  } else if (strcmp(text, "READY=1") == 0) {
    peri_embed_ready(process->embed);
  }
  return 0;
}

// core.embed_answer(id, code name or nil, text)
static int embed_answer(lua_State *L) {
  size_t len;
  const peri_process *process = process_of(L);
  const char *code = luaL_optstring(L, 2, NULL);
  const char *text = luaL_checklstring(L, 3, &len);
  int number = code != NULL ? peri_code_by_name(code) : 0;
  if (process->embedded) {
    peri_embed_answer(process->embed, (uint64_t)luaL_checknumber(L, 1),
                      number <= 0 ? number : PERI_EUNKNOWN, text, len);
  }
  return 0;
}

// core.embed_failed(message)
static int embed_failed(lua_State *L) {
  if (process_of(L)->embedded) {
    peri_embed_failed(process_of(L)->embed, luaL_checkstring(L, 1));
  }
  return 0;
}

// core.write_ports(path) -> true, or nil, message
static int write_ports(lua_State *L) {
  peri_err err;
  const char *urls[PERI_LISTENERS_MAX];
  need_control(L, "write_ports");
  const char *path = luaL_checkstring(L, 1);
  size_t count = peri_accept_urls(process_of(L), urls);
  if (peri_notify_write_ports(path, urls, count, &err) != 0) {
    return fail(L, &err);
  }
  lua_pushboolean(L, 1);
  return 1;
}

// core.watch(path, on_change) -> number, or nil, message
static int watch(lua_State *L) {
  peri_err err;
  const char *path = luaL_checkstring(L, 1);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_pushvalue(L, 2);
  int number = peri_folder_watch(worker_of(L), path, peri_ref(L), &err);
  if (number < 0) {
    return fail(L, &err);
  }
  lua_pushinteger(L, number);
  return 1;
}

static int unwatch(lua_State *L) {
  peri_folder_unwatch(worker_of(L), (int)luaL_checkinteger(L, 1));
  return 0;
}

static int drain_begin(lua_State *L) {
  peri_drain_begin(peri_vm_of(L));
  return 0;
}

static int drain_refuse(lua_State *L) {
  peri_drain_refuse(peri_vm_of(L));
  return 0;
}

// core.drain_left() -> calls in progress or queued, open accepted connections, calls that ever came
static int drain_left(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)peri_drain_calls(peri_vm_of(L)));
  lua_pushinteger(L, (lua_Integer)peri_vm_connections(peri_vm_of(L)));
  lua_pushnumber(L, (lua_Number)peri_vm_of(L)->server.arrived);
  return 3;
}

static int drain_finish(lua_State *L) {
  peri_drain_finish(peri_vm_of(L));
  return 0;
}

static int is_terminal(lua_State *L) {
  lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)));
  return 1;
}

// core.cores() -> processors this process may use
static int cores(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)uv_available_parallelism());
  return 1;
}

static int pid(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)getpid());
  return 1;
}

static const luaL_Reg functions[] = {
    {"post", post},
    {"on_message", on_message},
    {"on_signal", on_signal},
    {"listen", listen_on},
    {"accept", accept_all},
    {"unlisten", unlisten},
    {"stop_accepting", stop_accepting},
    {"start_workers", start_workers},
    {"add_executors", add_executors},
    {"keep_executors", keep_executors},
    {"end_executor", end_executor},
    {"executor_stats", executor_stats},
    {"exit", end_process},
    {"end_now", end_now},
    {"supervise", supervise},
    {"limit_connections", limit_connections},
    {"notify", notify},
    {"embed_answer", embed_answer},
    {"embed_failed", embed_failed},
    {"write_ports", write_ports},
    {"watch", watch},
    {"unwatch", unwatch},
    {"drain_begin", drain_begin},
    {"drain_refuse", drain_refuse},
    {"drain_left", drain_left},
    {"drain_finish", drain_finish},
    {"is_terminal", is_terminal},
    {"cores", cores},
    {"pid", pid},
    {NULL, NULL},
};

// In a tree the declarations for the FFI lie beside the binary, which knows to which build it belongs.
static void add_generated(lua_State *L, const char *generated) {
  lua_getglobal(L, "package");
  lua_pushfstring(L, "%s/?.lua;", generated);
  lua_getfield(L, -2, "path");
  lua_concat(L, 2);
  lua_setfield(L, -2, "path");
  lua_pop(L, 1);
}

void peri_core_process_add(peri_vm *vm, peri_process *process) {
  peri_vm_add(vm, functions);
  peri_vm_add(vm, peri_core_shared_functions);
  peri_vm_set_pointer(vm, "shared", ((peri_worker *)vm->user)->process->shared);
  lua_State *L = peri_vm_state(vm);
  lua_getfield(L, LUA_REGISTRYINDEX, "perilune.core");
  lua_pushliteral(L, PERI_VERSION);
  lua_setfield(L, -2, "version");
  lua_pushinteger(L, atomic_load(&process->executor_count));
  lua_setfield(L, -2, "executors");
  lua_pushboolean(L, process->embedded);
  lua_setfield(L, -2, "embedded");
  lua_createtable(L, process->argc, 0);
  for (int i = 0; i < process->argc; i++) {
    lua_pushstring(L, process->argv[i]);
    lua_rawseti(L, -2, i);
  }
  lua_setfield(L, -2, "argv");
  lua_pop(L, 1);
  add_generated(L, process->generated);
}
