// SPDX-License-Identifier: MIT
// The consumer's side of callbacks: functions that go out, and the calls of them that come in.
#include <stdlib.h>

#include "base/limit.h"
#include "lua/callback.h"
#include "lua/ref.h"
#include "lua/value.h"

const char *peri_callback_name_read(const char *text, peri_callback_name *out) {
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
                   ? peri_fail(err, PERI_EBAD_REQUEST, "this peer takes one function in a call")
                   : offer(link, co, first + i, stream, &made, err);
    char one[48];
    int len =
        made == NULL ? 0 : name_write(one, sizeof one, made, native ? i + 1 : 0, text->len != 0);
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
  peri_callback_name one;
  if (callbacks.len > PERI_CALLBACK_TEXT_MAX) {
    return;
  }
  memcpy(text, callbacks.ptr, callbacks.len);
  text[callbacks.len] = '\0';
  for (const char *at = text; at != NULL && *at != '\0';) {
    at = peri_callback_name_read(at, &one);
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

const luaL_Reg peri_offer_functions[] = {
    {"callback_function", callback_function},
    {"callback_release", callback_release},
    {"callback_count", callback_count},
    {NULL, NULL},
};
