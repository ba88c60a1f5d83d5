// SPDX-License-Identifier: MIT
#include "lua/socket.h"

#include <stdlib.h>

#include "base/limit.h"
#include "base/mem.h"
#include "lua/ref.h"
#include "lua/request.h"
#include "transport/channel.h"

// Named by its id in vm->sockets, where a pointer to it lies until it is closed.
typedef struct script_socket {
  peri_id id;
  peri_vm *vm;            // NULL once it is gone
  peri_channel *channel;  // NULL while it connects
  int on_event;
  bool closed;  // by the script, while it connected
} script_socket;

typedef struct event {
  peri_task task;
  double id;
  const char *kind;
  int code;
  size_t len;
  char text[];  // bytes that came, or what went wrong
} event;

static int push_event(peri_task *task, lua_State *L) {
  const event *it = peri_container(task, event, task);
  lua_pushnumber(L, it->id);
  lua_pushstring(L, it->kind);
  if (it->code == 0) {
    lua_pushlstring(L, it->text, it->len);
    return 3;
  }
  lua_pushstring(L, peri_code_name(it->code));
  lua_pushlstring(L, it->text, it->len);
  return 4;
}

static void free_event(peri_task *task) {
  free(peri_container(task, event, task));
}

static void tell(const script_socket *it, const char *kind, int code, const void *text,
                 size_t len) {
  if (it->vm == NULL) {
    return;
  }
  event *e = peri_malloc(sizeof *e + len);
  *e = (event){.id = peri_id_to_lua(it->id), .kind = kind, .code = code, .len = len};
  e->task = (peri_task){.fn = it->on_event, .push = push_event, .free = free_event};
  if (len != 0) {
    memcpy(e->text, text, len);
  }
  peri_vm_task(it->vm, &e->task);
}

static void end(script_socket *it) {
  if (it->vm != NULL) {
    peri_vm_unref_later(it->vm, it->on_event);
    peri_slots_release(&it->vm->sockets, it->id);
  }
  free(it);
}

static ssize_t on_data(void *arg, peri_channel *channel, peri_block *block, const uint8_t *data,
                       size_t len, size_t *need) {
  (void)channel;
  (void)block;
  (void)need;
  tell(arg, "data", 0, data, len);
  return (ssize_t)len;
}

static void on_closed(void *arg, peri_channel *channel, int code) {
  script_socket *it = arg;
  (void)channel;
  code = code != 0 ? code : PERI_ECLOSED;
  const char *why = peri_code_text(code);
  tell(it, "closed", code, why, strlen(why));
  end(it);
}

static const peri_channel_handler handler = {.data = on_data, .closed = on_closed};

static void on_connected(void *arg, peri_channel *channel, int code, const char *why) {
  script_socket *it = arg;
  bool unwanted = it->closed || it->vm == NULL;
  if (channel == NULL) {
    code = unwanted ? PERI_ECANCELLED : code;
    why = why != NULL ? why : peri_code_text(code);
    tell(it, "closed", code, why, strlen(why));
    end(it);
    return;
  }
  it->channel = channel;
  peri_channel_start(channel, &handler, it, NULL);
  if (unwanted) {
    peri_channel_close(channel, PERI_ECANCELLED);
  } else {
    tell(it, "open", 0, "", 0);
  }
}

static script_socket *socket_of(lua_State *L) {
  script_socket **at = peri_slots_by_number(&peri_vm_of(L)->sockets, luaL_checknumber(L, 1));
  return at != NULL ? *at : NULL;
}

static int fail(lua_State *L, const char *why) {
  lua_pushnil(L);
  lua_pushstring(L, why);
  return 2;
}

// core.socket_open(url, timeout, fn) -> id, or nil, message
static int socket_open(lua_State *L) {
  peri_vm *vm = peri_vm_of(L);
  peri_err err;
  peri_id id;
  const char *url = luaL_checkstring(L, 1);
  double timeout = luaL_checknumber(L, 2);
  luaL_checktype(L, 3, LUA_TFUNCTION);
  script_socket **at = peri_request_may_connect(vm) ? peri_slots_take(&vm->sockets, &id) : NULL;
  if (at == NULL) {
    peri_limit_hit(PERI_LIMIT_CONNECTIONS_OUT);
    return fail(L, "too many connections from this worker (limit connections_out)");
  }
  script_socket *it = peri_calloc(1, sizeof *it);
  *at = it;
  lua_pushvalue(L, 3);
  *it = (script_socket){.id = id, .vm = vm, .on_event = peri_ref(L)};
  uint32_t ms = timeout < 1 ? 1 : timeout > 3600000 ? 3600000 : (uint32_t)timeout;
  if (peri_connect(vm->loop, url, ms, on_connected, it, &err) != 0) {
    end(it);
    return fail(L, err.text);
  }
  lua_pushnumber(L, peri_id_to_lua(id));
  return 1;
}

// core.socket_write(id, bytes) -> bytes not yet taken by the kernel, or nil when it is closed
static int socket_write(lua_State *L) {
  size_t len;
  const script_socket *it = socket_of(L);
  const char *bytes = luaL_checklstring(L, 2, &len);
  if (it == NULL || it->channel == NULL || peri_channel_is_closing(it->channel)) {
    return 0;
  }
  peri_buf_add(peri_channel_out(it->channel), bytes, len);
  peri_channel_touch(it->channel);
  lua_pushnumber(L, (double)peri_channel_pending(it->channel));
  return 1;
}

// core.socket_pause(id, boolean): stops or goes on reading
static int socket_pause(lua_State *L) {
  const script_socket *it = socket_of(L);
  if (it != NULL && it->channel != NULL && !peri_channel_is_closing(it->channel)) {
    (lua_toboolean(L, 2) ? peri_channel_pause : peri_channel_resume)(it->channel);
  }
  return 0;
}

static void close_socket(script_socket *it, int code) {
  it->closed = true;
  if (it->channel != NULL && code == 0) {
    peri_channel_finish(it->channel);
  } else if (it->channel != NULL) {
    peri_channel_close(it->channel, code);
  }
}

// core.socket_close(id [, at_once]): after what is queued was written, unless at once
static int socket_close(lua_State *L) {
  script_socket *it = socket_of(L);
  if (it != NULL) {
    close_socket(it, lua_toboolean(L, 2) ? PERI_ECANCELLED : 0);
  }
  return 0;
}

const luaL_Reg peri_socket_functions[] = {
    {"socket_open", socket_open},
    {"socket_write", socket_write},
    {"socket_pause", socket_pause},
    {"socket_close", socket_close},
    {NULL, NULL},
};

static void for_each(peri_vm *vm, void (*act)(script_socket *it)) {
  for (uint32_t i = 0; i < vm->sockets.fresh; i++) {
    peri_slot *slot = peri_slots_header(&vm->sockets, i);
    if ((slot->gen & 1) != 0) {
      act(*(script_socket **)(void *)(slot + 1));
    }
  }
}

static void shut(script_socket *it) {
  close_socket(it, PERI_ESHUTDOWN);
}

void peri_socket_close_all(peri_vm *vm) {
  for_each(vm, shut);
}

static void forget(script_socket *it) {
  it->vm = NULL;
}

void peri_socket_abandon(peri_vm *vm) {
  for_each(vm, forget);
}
