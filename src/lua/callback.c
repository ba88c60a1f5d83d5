// SPDX-License-Identifier: MIT
#include "lua/callback.h"

#include <math.h>
#include <stdlib.h>

#include "base/limit.h"
#include "base/log.h"
#include "base/mem.h"
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

void peri_callbacks_fini(peri_vm *vm) {
  peri_list *node;
  while ((node = peri_list_pop(&vm->callbacks_over)) != NULL) {
    free(peri_container(node, peri_callback, over)->name);
  }
  peri_slots_fini(&vm->offers);
  peri_slots_fini(&vm->callbacks);
}

// --- names -------------------------------------------------------------------------------------

typedef struct name {
  char text[PERI_CALLBACK_NAME_MAX + 1];
  int index;  // of the argument, 0 = not said
} name;

// Cuts the first name off `text`; NULL when it is none.
static const char *name_read(const char *text, name *out) {
  size_t len = strcspn(text, ":,");
  if (len == 0 || len > PERI_CALLBACK_NAME_MAX) {
    return NULL;
  }
  memcpy(out->text, text, len);
  out->text[len] = '\0';
  out->index = 0;
  text += len;
  if (*text == ':') {
    char *end;
    long index = strtol(text + 1, &end, 10);
    if (end == text + 1 || index < 1 || index > PERI_ARGS_MAX) {
      return NULL;
    }
    out->index = (int)index;
    text = end;
  }
  if (*text == ',') {
    return text + 1;
  }
  return *text == '\0' ? text : NULL;
}

// --- consumer ----------------------------------------------------------------------------------

static void end_offer(peri_offer *offer) {
  peri_vm *vm = offer->link->vm;
  peri_list_remove(&offer->of_link);
  offer->link->offered--;
  peri_unref(vm->L, offer->fn);
  peri_slots_release(&vm->offers, offer->id);
}

static bool has_numbers(const peri_link *link) {
  return (link->conn->protocol->abilities & PERI_CALLBACK_BY_TYPE) != 0;
}

static peri_offer *offered_before(const peri_link *link, lua_State *co, int index) {
  for (peri_list *n = link->offers.next; n != &link->offers; n = n->next) {
    peri_offer *at = peri_container(n, peri_offer, of_link);
    peri_ref_push(co, at->fn);
    bool same = lua_rawequal(co, index, -1) != 0;
    lua_pop(co, 1);
    if (same) {
      return at;
    }
  }
  return NULL;
}

static uint32_t next_number(peri_link *link) {
  if (!has_numbers(link)) {
    return 0;
  }
  link->offer_number = link->offer_number < INT32_MAX ? link->offer_number + 1 : 1;
  return link->offer_number;
}

static int offer(peri_link *link, lua_State *co, int index, uint64_t stream, peri_offer **out,
                 peri_err *err) {
  peri_vm *vm = link->vm;
  peri_id id;
  *out = has_numbers(link) ? offered_before(link, co, index) : NULL;
  if (*out != NULL) {
    lua_pushnil(co);
    lua_replace(co, index);
    return 0;
  }
  peri_offer *made =
      link->offered < vm->callbacks_per_conn ? peri_slots_take(&vm->offers, &id) : NULL;
  if (made == NULL) {
    peri_limit_hit(PERI_LIMIT_CALLBACKS_PER_CONNECTION);
    return peri_fail(err, PERI_EOVERLOADED,
                     "the peer holds too many functions of this connection "
                     "(callbacks_per_connection = %u); release some with perilune.release",
                     vm->callbacks_per_conn);
  }
  lua_pushvalue(co, index);
  *made = (peri_offer){
      .id = id, .link = link, .number = next_number(link), .fn = peri_ref(co), .stream = stream};
  peri_list_push(&link->offers, &made->of_link);
  link->offered++;
  lua_pushnil(co);
  lua_replace(co, index);
  *out = made;
  return 0;
}

static int name_write(char *out, size_t size, const peri_offer *offer, int index, bool more) {
  double number = offer->number != 0 ? offer->number : peri_id_to_lua(offer->id);
  return index == 0 ? snprintf(out, size, "%.0f", number)
                    : snprintf(out, size, "%s%.0f:%d", more ? "," : "", number, index);
}

int peri_callbacks_offer(peri_link *link, lua_State *co, int first, int count, uint64_t stream,
                         bool native, peri_buf *text, peri_err *err) {
  native |= has_numbers(link);  // both say which argument it is
  for (int i = 0; i < count; i++) {
    peri_offer *made = NULL;
    if (lua_type(co, first + i) != LUA_TFUNCTION) {
      continue;
    }
    int code = !native && text->len != 0
                   ? peri_fail(err, PERI_EBAD_REQUEST, "JoyRPC carries one function in a call")
                   : offer(link, co, first + i, stream, &made, err);
    char one[48];
    int len = code != 0 ? 0 : name_write(one, sizeof one, made, native ? i + 1 : 0, text->len != 0);
    if (code == 0 && text->len + (size_t)len > PERI_CALLBACK_TEXT_MAX) {
      code = peri_fail(err, PERI_ETOO_BIG, "too many functions in one call");
    }
    if (code != 0) {
      peri_callbacks_unoffer(link, stream);
      return code;
    }
    peri_buf_add(text, one, (size_t)len);
  }
  return 0;
}

static const char *class_of(lua_State *co, int index) {
  double number = lua_tonumber(co, index);
  switch (lua_type(co, index)) {
  case LUA_TFUNCTION: return "io.joyrpc.Callback";
  case LUA_TSTRING: return "java.lang.String";
  case LUA_TBOOLEAN: return "java.lang.Boolean";
  case LUA_TNUMBER:
    if (number != floor(number)) {
      return "java.lang.Double";
    }
    return number >= INT32_MIN && number <= INT32_MAX ? "java.lang.Integer" : "java.lang.Long";
  case LUA_TTABLE: return lua_objlen(co, index) != 0 ? "java.util.List" : "java.util.Map";
  default: return "java.lang.Object";
  }
}

void peri_callbacks_classes(lua_State *co, int first, int count, peri_buf *out) {
  peri_encoder encoder;
  peri_sink sink;
  const peri_serializer *msgpack = peri_serializer_by_id(PERI_SER_MSGPACK);
  msgpack->encoder_init(&encoder, out, &PERI_VALUE_LIMITS_DEFAULT, NULL, &sink);
  sink.ops->list_begin(sink.self, (size_t)count);
  for (int i = 0; i < count; i++) {
    const char *class = class_of(co, first + i);
    sink.ops->string(sink.self, class, strlen(class));
  }
  sink.ops->list_end(sink.self);
  msgpack->encoder_finish(&encoder);
}

void peri_callbacks_unoffer(peri_link *link, uint64_t stream) {
  for (peri_list *n = link->offers.next; n != &link->offers;) {
    peri_offer *at = peri_container(n, peri_offer, of_link);
    n = n->next;
    if (at->stream == stream) {
      end_offer(at);
    }
  }
}

void peri_callbacks_revoke_all(peri_link *link) {
  while (!peri_list_empty(&link->offers)) {
    end_offer(peri_container(link->offers.next, peri_offer, of_link));
  }
}

// The offer of that number, if it was made on this connection.
static peri_offer *offer_of(peri_link *link, const char *text) {
  double number = strtod(text, NULL);
  peri_offer *found = NULL;
  if (link->offer_number == 0) {
    found = peri_slots_by_number(&link->vm->offers, number);
    return found != NULL && found->link == link ? found : NULL;
  }
  for (peri_list *n = link->offers.next; n != &link->offers && found == NULL; n = n->next) {
    peri_offer *at = peri_container(n, peri_offer, of_link);
    found = at->number == number ? at : NULL;
  }
  return found;
}

static void release_named(peri_link *link, peri_bytes callbacks) {
  char text[PERI_CALLBACK_TEXT_MAX + 1];
  name one;
  if (callbacks.len > PERI_CALLBACK_TEXT_MAX) {
    return;
  }
  memcpy(text, callbacks.ptr, callbacks.len);
  text[callbacks.len] = '\0';
  for (const char *at = text; at != NULL && *at != '\0';) {
    at = name_read(at, &one);
    peri_offer *found = at != NULL ? offer_of(link, one.text) : NULL;
    if (found != NULL) {
      end_offer(found);
    }
  }
}

void peri_callback_serve(peri_link *link, const peri_event *event) {
  peri_vm *vm = link->vm;
  if (peri_bytes_equal(event->method, peri_bytes_of(PERI_CALLBACK_RELEASE))) {
    release_named(link, event->callback);
  } else if (vm->callback_run != NULL && event->callback.len != 0 &&
             event->callback.len <= PERI_CALLBACK_NAME_MAX) {
    peri_server_open_callback(&vm->server, link->conn, event, vm->callback_run);
  } else if ((event->flags & PERI_EV_ONEWAY) == 0) {
    peri_event reply = {
        .type = PERI_EV_REPLY,
        .flags = PERI_EV_END | PERI_EV_NOT_RUN | PERI_EV_CALLBACK,
        .serializer = event->serializer,
        .code = PERI_ENOT_FOUND,
        .stream = event->stream,
        .callback = event->callback,
        .message = peri_bytes_of("no function was given to this peer"),
    };
    link->conn->protocol->emit(link->conn, &reply);
  }
}

// core.callback_function(slot, gen): the function that the call in progress is for; nothing when it
// was released.
static int callback_function(lua_State *L) {
  peri_vm *vm = peri_vm_of(L);
  peri_id id = (peri_id)(uint32_t)lua_tonumber(L, 2) << 32 | (uint32_t)lua_tonumber(L, 1);
  const peri_call *call = peri_server_call(&vm->server, id);
  if (call == NULL || call->conn == NULL || call->conn->server || call->callback == NULL) {
    return 0;
  }
  const peri_offer *found = offer_of(call->conn->arg, call->callback);
  if (found == NULL) {
    return 0;
  }
  peri_ref_push(L, found->fn);
  return 1;
}

// core.callback_release(fn): ends every offer of a function; how many there were.
static int callback_release(lua_State *L) {
  peri_vm *vm = peri_vm_of(L);
  int count = 0;
  luaL_checktype(L, 1, LUA_TFUNCTION);
  for (uint32_t i = 0; i < vm->offers.fresh; i++) {
    peri_slot *slot = peri_slots_header(&vm->offers, i);
    peri_offer *at = (peri_offer *)(void *)(slot + 1);
    if ((slot->gen & 1) == 0) {
      continue;
    }
    peri_ref_push(L, at->fn);
    bool same = lua_rawequal(L, 1, -1) != 0;
    lua_pop(L, 1);
    if (same) {
      end_offer(at);
      count++;
    }
  }
  lua_pushinteger(L, count);
  return 1;
}

// core.callback_count(): functions that peers may call.
static int callback_count(lua_State *L) {
  lua_pushnumber(L, peri_vm_of(L)->offers.live);
  return 1;
}

// --- provider ----------------------------------------------------------------------------------

static void forget(peri_vm *vm, peri_callback *callback) {
  if (callback->conn != NULL) {
    peri_accepted *accepted = callback->conn->user;
    peri_conn_release_callbacks(callback->conn, peri_bytes_of(callback->name));
    accepted->callback_count--;
  }
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
    peri_container(node, peri_callback, of_conn)->conn = NULL;
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

// An object is over. The finalizer only queues: the peer is told from the drain.
static void let_go(peri_vm *vm, handle *h) {
  peri_callback *callback = peri_slots_get(&vm->callbacks, h->callback);
  h->callback = 0;
  if (callback != NULL && --callback->refs == 0) {
    peri_list_push(&vm->callbacks_over, &callback->over);
  }
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

// core.callback_alive(object): can it still be called? And its name, and what is the same for objects
// that stand for the same function.
static int callback_alive(lua_State *L) {
  const peri_callback *callback = peri_callback_at(peri_vm_of(L), L, 1);
  lua_pushboolean(L, callback != NULL && callback->conn != NULL);
  lua_pushstring(L, callback != NULL ? callback->name : NULL);
  lua_pushnumber(L, callback != NULL ? peri_id_to_lua(callback->id) : 0);
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
  callback->serializer = call->serializer;
  callback->name = peri_strdup(text);
  peri_list_init(&callback->over);
  peri_list_push(&accepted->callbacks, &callback->of_conn);
  accepted->callback_count++;
  return callback;
}

static void push_object(lua_State *co, peri_callback *callback) {
  handle *h = lua_newuserdata(co, sizeof *h);
  h->callback = callback->id;
  if (callback->refs++ == 0) {
    peri_list_remove(&callback->over);
  }
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

int peri_callbacks_adopt(peri_vm *vm, peri_call *call, lua_State *co, int first, int count,
                         peri_err *err) {
  if (call->conn == NULL || !call->conn->server) {
    return 0;
  }
  for (const char *at = call->callback; *at != '\0';) {
    name one;
    at = name_read(at, &one);
    int index = at == NULL ? 0 : one.index != 0 ? one.index : first_nil(co, first, count);
    if (index == 0 || index > count) {
      return peri_fail(err, PERI_EBAD_REQUEST, "'%s' names no callback among %d arguments",
                       call->callback, count);
    }
    peri_callback *callback = adopt(vm, call, one.text, err);
    if (callback == NULL) {
      return err->code;
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
    {"callback_function", callback_function},
    {"callback_release", callback_release},
    {"callback_count", callback_count},
    {NULL, NULL},
};
