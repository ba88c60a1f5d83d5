// SPDX-License-Identifier: MIT
#include "lua/callback.h"

#include <stdlib.h>

#include "base/limit.h"
#include "base/log.h"
#include "base/mem.h"
#include "lua/far.h"
#include "lua/limits.h"
#include "lua/ref.h"
#include "lua/value.h"

static char meta_key;

// What Lua holds.
typedef struct handle {
  peri_id callback;  // 0 = closed
} handle;

void peri_callbacks_init(peri_vm *vm, uint32_t per_conn) {
  enum { MOST = 16000000 };
  vm->callbacks_per_conn = per_conn;
  peri_slots_init(&vm->offers, sizeof(peri_offer), MOST);
  peri_slots_init(&vm->callbacks, sizeof(peri_callback), MOST);
  peri_list_init(&vm->callbacks_over);
}

static void end_far(peri_vm *vm, peri_callback *callback) {
  if (callback->far == NULL) {
    return;
  }
  if (peri_callback_is_far(vm, callback)) {
    peri_far_give_back(callback->far);
  } else {
    peri_far_unref(callback->far);
  }
}

void peri_callbacks_fini(peri_vm *vm) {
  for (uint32_t i = 0; i < vm->callbacks.fresh; i++) {
    peri_slot *slot = peri_slots_header(&vm->callbacks, i);
    peri_callback *callback = (peri_callback *)(void *)(slot + 1);
    if ((slot->gen & 1) != 0) {
      end_far(vm, callback);
      free(callback->name);
    }
  }
  peri_slots_fini(&vm->offers);
  peri_slots_fini(&vm->callbacks);
}

static void forget(peri_vm *vm, peri_callback *callback) {
  if (callback->conn != NULL) {
    peri_accepted *accepted = callback->conn->user;
    peri_conn_release_callbacks(callback->conn, peri_bytes_of(callback->name));
    accepted->callback_count--;
  }
  end_far(vm, callback);
  peri_list_remove(&callback->of_conn);
  peri_list_remove(&callback->over);
  free(callback->name);
  peri_slots_release(&vm->callbacks, callback->id);
}

void peri_callbacks_sweep(peri_vm *vm) {
  while (!peri_list_empty(&vm->callbacks_over)) {
    forget(vm, peri_container(vm->callbacks_over.next, peri_callback, over));
  }
}

void peri_callbacks_gone(peri_accepted *accepted) {
  peri_list *node;
  while ((node = peri_list_pop(&accepted->callbacks)) != NULL) {
    peri_callback *callback = peri_container(node, peri_callback, of_conn);
    callback->conn = NULL;
    if (callback->far != NULL) {
      atomic_store(&callback->far->gone, true);
    }
  }
}

static handle *handle_at(lua_State *L, int index) {
  if (lua_type(L, index) != LUA_TUSERDATA || !lua_getmetatable(L, index)) {
    return NULL;
  }
  lua_pushlightuserdata(L, &meta_key);
  lua_rawget(L, LUA_REGISTRYINDEX);
  bool same = lua_rawequal(L, -1, -2) != 0;
  lua_pop(L, 2);
  return same ? lua_touserdata(L, index) : NULL;
}

peri_callback *peri_callback_at(peri_vm *vm, lua_State *L, int index) {
  const handle *h = handle_at(L, index);
  return h != NULL ? peri_slots_get(&vm->callbacks, h->callback) : NULL;
}

void peri_callback_drop(peri_vm *vm, peri_id id) {
  peri_callback *callback = peri_slots_get(&vm->callbacks, id);
  if (callback != NULL && --callback->refs == 0) {
    peri_list_push(&vm->callbacks_over, &callback->over);
  }
}

// An object is over. The finalizer only queues: the peer is told from the drain.
static void let_go(peri_vm *vm, handle *h) {
  peri_id id = h->callback;
  h->callback = 0;
  peri_callback_drop(vm, id);
}

static int callback_gc(lua_State *L) {
  let_go(peri_vm_of(L), lua_touserdata(L, 1));
  return 0;
}

static int callback_close(lua_State *L) {
  peri_vm *vm = peri_vm_of(L);
  handle *h = handle_at(L, 1);
  luaL_argcheck(L, h != NULL, 1, "a callback is wanted");
  let_go(vm, h);
  peri_loop_want_drain(vm->loop);
  return 0;
}

// core.callback_alive(object): can it still be called? And its name, and what is the same for
// objects that stand for the same function.
static int callback_alive(lua_State *L) {
  peri_vm *vm = peri_vm_of(L);
  const peri_callback *callback = peri_callback_at(vm, L, 1);
  bool far = callback != NULL && peri_callback_is_far(vm, callback);
  lua_pushboolean(L, far ? !atomic_load(&callback->far->gone)
                         : callback != NULL && callback->conn != NULL);
  lua_pushstring(L, callback != NULL ? callback->name : NULL);
  lua_pushnumber(
      L, callback == NULL ? 0 : peri_id_to_lua(far ? callback->far->callback : callback->id));
  return 3;
}

static peri_callback *known(const peri_accepted *accepted, const char *text) {
  for (const peri_list *n = accepted->callbacks.next; n != &accepted->callbacks; n = n->next) {
    peri_callback *at = peri_container((peri_list *)n, peri_callback, of_conn);
    if (strcmp(at->name, text) == 0) {
      return at;
    }
  }
  return NULL;
}

// What scripts have dropped but the collector not found yet counts, too, until it is looked for.
static bool is_full(peri_vm *vm, const peri_accepted *accepted) {
  if (accepted->callback_count >= vm->callbacks_per_conn) {
    peri_limits_collect(vm);
    peri_callbacks_sweep(vm);
  }
  return accepted->callback_count >= vm->callbacks_per_conn;
}

static peri_callback *adopt(peri_vm *vm, const peri_call *call, const char *text, peri_err *err) {
  peri_id id;
  peri_accepted *accepted = call->conn->user;
  peri_callback *callback = known(accepted, text);
  if (callback != NULL) {
    return callback;
  }
  callback = is_full(vm, accepted) ? NULL : peri_slots_take(&vm->callbacks, &id);
  if (callback == NULL) {
    peri_limit_hit(PERI_LIMIT_CALLBACKS_PER_CONNECTION);
    peri_fail(err, PERI_EOVERLOADED,
              "too many callbacks of this connection are held (callbacks_per_connection = %u)",
              vm->callbacks_per_conn);
    return NULL;
  }
  callback->id = id;
  callback->conn = call->conn;
  const peri_serializer *serializer = peri_serializer_by_id(call->serializer);
  bool itself = serializer == NULL || serializer->alone == 0;
  callback->serializer = itself ? call->serializer : serializer->alone;
  callback->name = peri_strdup(text);
  peri_list_init(&callback->over);
  peri_list_push(&accepted->callbacks, &callback->of_conn);
  accepted->callback_count++;
  return callback;
}

static void hold(peri_callback *callback) {
  if (callback->refs++ == 0) {
    peri_list_remove(&callback->over);
  }
}

int peri_callbacks_lend(peri_vm *vm, peri_call *call, peri_lent **lent, peri_err *err) {
  enum { MOST = PERI_CALLBACK_TEXT_MAX / 2 + 1 };
  peri_callback *held[MOST];
  uint32_t count = 0;
  int code = 0;
  for (const char *at = call->callback; code == 0 && *at != '\0';) {
    peri_callback_name one;
    at = peri_callback_name_read(at, &one);
    held[count] = at != NULL && count < MOST - 1 ? adopt(vm, call, one.text, err) : NULL;
    if (at == NULL) {
      code = peri_fail(err, PERI_EBAD_REQUEST, "'%s' names no callbacks", call->callback);
      break;
    } else if (held[count] == NULL) {
      code = err->code;
    } else {
      hold(held[count++]);
    }
  }
  if (code == 0 && count != 0) {
    *lent = peri_far_lend(vm, call->callback, held, count);
    call->adopted = true;
    return 0;
  }
  while (count > 0) {
    peri_callback_drop(vm, held[--count]->id);
  }
  return code;
}

static void push_object(lua_State *co, peri_callback *callback) {
  handle *h = lua_newuserdata(co, sizeof *h);
  h->callback = callback->id;
  hold(callback);
  lua_pushlightuserdata(co, &meta_key);
  lua_rawget(co, LUA_REGISTRYINDEX);
  lua_setmetatable(co, -2);
}

static int first_nil(lua_State *co, int first, int count) {
  int i = 0;
  while (i < count && !lua_isnil(co, first + i)) {
    i++;
  }
  return i + 1;
}

// What stands here for the function behind the name at `n` of a lent text.
static peri_callback *adopt_far(peri_vm *vm, peri_lent *lent, uint32_t n, const char *text) {
  peri_id id;
  peri_far_lent *it = (peri_far_lent *)(void *)lent;
  for (uint32_t i = 0; n < it->taken && i < vm->callbacks.fresh; i++) {
    peri_slot *slot = peri_slots_header(&vm->callbacks, i);
    peri_callback *known = (peri_callback *)(void *)(slot + 1);
    if ((slot->gen & 1) != 0 && known->far == it->far[n]) {
      return known;
    }
  }
  peri_callback *callback = n == it->taken ? peri_slots_take(&vm->callbacks, &id) : NULL;
  if (callback != NULL) {
    it->taken++;
    callback->id = id;
    callback->far = it->far[n];
    callback->serializer = it->serializer;
    callback->name = peri_strdup(text);
    peri_list_init(&callback->over);
    peri_list_init(&callback->of_conn);
  }
  return callback;
}

int peri_callbacks_adopt(peri_vm *vm, peri_call *call, lua_State *co, int first, int count,
                         peri_err *err) {
  peri_lent *lent = call->hired ? call->job->lent : NULL;
  uint32_t n = 0;
  if (lent == NULL && (call->conn == NULL || !call->conn->server)) {
    return 0;
  }
  for (const char *at = call->callback; *at != '\0'; n++) {
    peri_callback_name one;
    at = peri_callback_name_read(at, &one);
    int index = at == NULL ? 0 : one.index != 0 ? one.index : first_nil(co, first, count);
    if (index == 0 || index > count) {
      return peri_fail(err, PERI_EBAD_REQUEST, "'%s' names no callback among %d arguments",
                       call->callback, count);
    }
    peri_callback *callback =
        lent != NULL ? adopt_far(vm, lent, n, one.text) : adopt(vm, call, one.text, err);
    if (callback == NULL) {
      return lent != NULL ? peri_fail(err, PERI_ECALL_OVER, "a callback was let go of") : err->code;
    }
    push_object(co, callback);
    lua_replace(co, first + index - 1);
  }
  call->adopted = true;
  return 0;
}

// core.callback_meta(): the metatable of the objects, for Lua to complete.
static int callback_meta(lua_State *L) {
  lua_pushlightuserdata(L, &meta_key);
  lua_rawget(L, LUA_REGISTRYINDEX);
  if (!lua_isnil(L, -1)) {
    return 1;
  }
  lua_newtable(L);
  lua_pushlightuserdata(L, peri_vm_of(L));
  lua_pushcclosure(L, callback_gc, 1);
  lua_setfield(L, -2, "__gc");
  lua_pushlightuserdata(L, &meta_key);
  lua_pushvalue(L, -2);
  lua_rawset(L, LUA_REGISTRYINDEX);
  return 1;
}

const luaL_Reg peri_callback_functions[] = {
    {"callback_meta", callback_meta},
    {"callback_alive", callback_alive},
    {"callback_close", callback_close},
    {NULL, NULL},
};
