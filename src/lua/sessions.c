// SPDX-License-Identifier: MIT
#include "lua/sessions.h"

#include <stdlib.h>

#include "base/limit.h"
#include "base/mem.h"
#include "lua/ref.h"

typedef struct session_task {
  peri_task task;
  peri_vm *vm;
  double conn;
  uint32_t session;
  bool opened, native;
  char *iface, *alias, *peer;
} session_task;

static void set_string(lua_State *L, const char *name, const char *value) {
  lua_pushstring(L, value);
  lua_setfield(L, -2, name);
}

static int push_session(peri_task *task, lua_State *L) {
  const session_task *t = peri_container(task, session_task, task);
  lua_createtable(L, 0, 7);
  lua_pushnumber(L, t->conn);
  lua_setfield(L, -2, "connection");
  lua_pushnumber(L, t->session);
  lua_setfield(L, -2, "session");
  lua_pushboolean(L, t->native);
  lua_setfield(L, -2, "native");
  set_string(L, "interface", t->iface);
  set_string(L, "alias", t->alias);
  set_string(L, "peer", t->peer);
  lua_pushboolean(L, t->opened);
  return 2;
}

static void free_session(peri_task *task) {
  session_task *t = peri_container(task, session_task, task);
  t->vm->session_news--;
  free(t->iface);
  free(t->alias);
  free(t->peer);
  free(t);
}

void peri_sessions_tell(peri_vm *vm, peri_conn *conn, const peri_session *session, bool opened) {
  if (vm->on_session == LUA_NOREF || session->id == 0) {
    return;
  }
  if (vm->session_news >= vm->events_max) {
    peri_limit_hit(PERI_LIMIT_EVENTS);
    return;
  }
  vm->session_news++;
  session_task *t = peri_calloc(1, sizeof *t);
  t->task = (peri_task){.fn = vm->on_session, .push = push_session, .free = free_session};
  t->vm = vm;
  t->conn = peri_id_to_lua(((const peri_accepted *)conn->user)->id);
  t->session = session->id;
  t->opened = opened;
  t->native = session->native;
  t->iface = peri_strdup(session->iface);
  t->alias = peri_strdup(session->alias);
  t->peer = conn->channel != NULL ? peri_strdup(peri_channel_peer(conn->channel)) : NULL;
  peri_vm_task(vm, &t->task);
}

// core.on_session(fn or nil)
static int on_session(lua_State *L) {
  peri_vm *vm = peri_vm_of(L);
  lua_settop(L, 1);
  bool none = lua_isnil(L, 1);
  if (!none) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
  }
  peri_vm_unref_later(vm, vm->on_session);  // tasks that are queued still call it
  vm->on_session = none ? LUA_NOREF : peri_ref(L);
  return 0;
}

const luaL_Reg peri_sessions_functions[] = {
    {"on_session", on_session},
    {NULL, NULL},
};
