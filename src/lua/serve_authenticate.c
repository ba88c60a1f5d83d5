// SPDX-License-Identifier: MIT
// What a peer says of itself, handed to the script's authenticators in a task.
#include <stdlib.h>

#include "base/limit.h"
#include "base/mem.h"
#include "lua/callback.h"
#include "lua/serve.h"
#include "lua/value.h"

typedef struct auth_task {
  peri_task task;
  peri_vm *vm;
  peri_id conn;
  uint32_t session, request;
  char *type, *iface, *alias;
  peri_buf attributes;
} auth_task;

static int push_auth(peri_task *task, lua_State *L) {
  auth_task *auth = peri_container(task, auth_task, task);
  peri_err err;
  lua_pushnumber(L, peri_id_to_lua(auth->conn));
  lua_pushnumber(L, auth->session);
  lua_pushnumber(L, auth->request);
  lua_pushstring(L, auth->type);
  if (peri_value_decode(L, peri_serializer_by_id(PERI_SER_MSGPACK),
                        (peri_bytes){auth->attributes.data, auth->attributes.len},
                        &PERI_VALUE_LIMITS_DEFAULT, PERI_INT64_NUMBER, &err) != 0) {
    lua_newtable(L);
  }
  // A task starts with a function and two values: the rest travels in one table.
  lua_createtable(L, 0, 7);
  lua_pushstring(L, auth->iface);
  lua_setfield(L, -2, "interface");
  lua_pushstring(L, auth->alias);
  lua_setfield(L, -2, "alias");
  static const char *const names[] = {"attributes", "type", "request", "session", "conn"};
  for (int i = 0; i < 5; i++) {
    lua_insert(L, -2);
    lua_setfield(L, -2, names[i]);
  }
  return 1;
}

static void free_auth(peri_task *task) {
  auth_task *auth = peri_container(task, auth_task, task);
  auth->vm->authenticating--;
  free(auth->type);
  free(auth->iface);
  free(auth->alias);
  peri_buf_fini(&auth->attributes);
  free(auth);
}

int peri_serve_authenticate(void *arg, peri_conn *conn, peri_session *session, uint32_t request,
                            peri_bytes type, peri_bytes attributes) {
  peri_vm *vm = arg;
  if (vm->on_authenticate == LUA_NOREF) {
    return 0;
  }
  if (vm->authenticating >= vm->authenticating_max) {
    peri_limit_hit(PERI_LIMIT_AUTHENTICATIONS);
    return PERI_EOVERLOADED;
  }
  vm->authenticating++;
  auth_task *auth = peri_calloc(1, sizeof *auth);
  auth->vm = vm;
  auth->task.fn = vm->on_authenticate;
  auth->task.push = push_auth;
  auth->task.free = free_auth;
  auth->conn = ((peri_accepted *)conn->user)->id;
  auth->session = session->id;
  auth->request = request;
  auth->iface = peri_strdup(session->iface != NULL ? session->iface : "");
  auth->alias = peri_strdup(session->alias != NULL ? session->alias : "");
  auth->type = peri_strndup((const char *)type.ptr, type.len);
  peri_buf_add(&auth->attributes, attributes.ptr, attributes.len);
  peri_vm_task(vm, &auth->task);
  return PERI_AGAIN;
}
