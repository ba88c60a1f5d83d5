// SPDX-License-Identifier: MIT
// Serializers written in Lua. The process' registry holds their name, provider and id; each VM
// holds its own functions, under the number that all VMs agree on because they load the same files.
#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"
#include "lua/value_parts.h"

static char plugins_key;
// VMs load the same scripts at the same time.
static pthread_mutex_t loading = PTHREAD_MUTEX_INITIALIZER;

// Pushes the VM's table of plugins: lua_ref -> {encode =, decode =}.
static void push_plugins(lua_State *L) {
  peri_value_push(L, &plugins_key);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushlightuserdata(L, &plugins_key);
    lua_pushvalue(L, -2);
    lua_rawset(L, LUA_REGISTRYINDEX);
  }
}

static const peri_serializer *find(const char *name, const char *provider) {
  for (size_t i = 0; peri_serializer_at(i) != NULL; i++) {
    const peri_serializer *row = peri_serializer_at(i);
    if (strcmp(row->name, name) == 0 && strcmp(row->provider, provider) == 0) {
      return row;
    }
  }
  return NULL;
}

static int add_row(const char *name, const char *provider, uint8_t id) {
  static int last_ref;
  peri_serializer *row = peri_calloc(1, sizeof *row);
  row->name = peri_strdup(name);
  row->provider = peri_strdup(provider);
  row->id = id;
  row->self_typed = id != PERI_SER_JSON;
  row->lua_ref = ++last_ref;
  const peri_serializer *builtin = peri_serializer_by_id(id);
  if (builtin != NULL && builtin->lua_ref == 0) {
    row->read_request = builtin->read_request;  // the envelope belongs to the id, not to the codec
    row->read_reply = builtin->read_reply;
    row->begin_request = builtin->begin_request;
    row->end_request = builtin->end_request;
    row->begin_reply = builtin->begin_reply;
    row->end_reply = builtin->end_reply;
  }
  return peri_serializer_add(row);
}

// The process' row for a plugin, added by the first VM that asks.
static int row_of(const char *name, const char *provider, uint8_t id, const peri_serializer **row,
                  peri_err *err) {
  const peri_serializer *taken = peri_serializer_by_id(id);
  if (taken != NULL && strcmp(taken->name, name) != 0) {
    return peri_fail(err, PERI_EALREADY_EXISTS, "serializer '%s': id %u is that of '%s'", name, id,
                     taken->name);
  }
  if (find(name, provider) == NULL) {
    int rc = add_row(name, provider, id);
    if (rc != 0) {
      return peri_fail(err, rc, "serializer '%s': %s", name, peri_code_text(rc));
    }
  }
  *row = find(name, provider);
  if ((*row)->lua_ref == 0) {
    return peri_fail(err, PERI_EALREADY_EXISTS,
                     "serializer '%s' is built in; give a provider to tell yours apart", name);
  }
  if ((*row)->id != id) {
    return peri_fail(err, PERI_EALREADY_EXISTS, "serializer '%s' has id %u in this process", name,
                     (*row)->id);
  }
  return 0;
}

static const char *string_field(lua_State *L, int index, const char *name) {
  lua_getfield(L, index, name);
  const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
  lua_pop(L, 1);  // the plugin table still holds the string
  return text;
}

static bool has_function(lua_State *L, int index, const char *name) {
  lua_getfield(L, index, name);
  bool found = lua_isfunction(L, -1);
  lua_pop(L, 1);
  return found;
}

int peri_value_serializer_add(lua_State *L, int index, peri_err *err) {
  if (!lua_istable(L, index)) {
    return peri_fail(err, PERI_ECONFIG, "serializer: expected a table");
  }
  const char *name = string_field(L, index, "name");
  const char *provider = string_field(L, index, "provider");
  provider = provider != NULL ? provider : "";
  lua_getfield(L, index, "id");
  lua_Number id = lua_tonumber(L, -1);
  lua_pop(L, 1);
  if (name == NULL || !(id >= 1 && id <= 127) || !has_function(L, index, "encode") ||
      !has_function(L, index, "decode")) {
    return peri_fail(err, PERI_ECONFIG,
                     "serializer '%s': name (string), id (1..127), encode and decode (functions) "
                     "are required",
                     name != NULL ? name : "?");
  }
  const peri_serializer *row = NULL;
  pthread_mutex_lock(&loading);
  int rc = row_of(name, provider, (uint8_t)id, &row, err);
  pthread_mutex_unlock(&loading);
  if (rc != 0) {
    return rc;
  }
  lua_pushvalue(L, index);
  push_plugins(L);
  lua_insert(L, -2);
  lua_rawseti(L, -2, row->lua_ref);
  lua_pop(L, 1);
  return 0;
}

lua_State *peri_value_push_helper(lua_State *L) {
  push_plugins(L);
  lua_rawgeti(L, -1, 0);
  lua_State *helper = lua_tothread(L, -1);
  if (helper == NULL) {
    lua_pop(L, 1);
    helper = lua_newthread(L);
    lua_pushvalue(L, -1);
    lua_rawseti(L, -3, 0);
  }
  lua_remove(L, -2);
  return helper;
}

static int call(lua_State *L, const peri_serializer *serializer, const char *method, peri_err *err);

static int call_aside(lua_State *L, const peri_serializer *serializer, const char *method,
                      peri_err *err) {
  lua_State *helper = peri_value_push_helper(L);
  lua_insert(L, -2);
  lua_xmove(L, helper, 1);
  int rc = call(helper, serializer, method, err);
  lua_pop(L, 1);
  if (rc == 0) {
    lua_xmove(helper, L, 1);
  }
  return rc;
}

// Calls plugin[method](argument on top of the stack) and leaves its one result.
static int call(lua_State *L, const peri_serializer *serializer, const char *method,
                peri_err *err) {
  if (lua_status(L) == LUA_YIELD) {
    return call_aside(L, serializer, method, err);
  }
  push_plugins(L);
  lua_rawgeti(L, -1, serializer->lua_ref);
  if (!lua_istable(L, -1)) {
    lua_pop(L, 3);
    return peri_fail(err, PERI_ECONFIG, "serializer %s is not loaded in this worker",
                     serializer->name);
  }
  lua_getfield(L, -1, method);
  lua_insert(L, -4);
  lua_pop(L, 2);
  if (lua_pcall(L, 1, 1, 0) != 0) {
    const char *text = lua_tostring(L, -1);
    int rc = peri_fail(err, PERI_EBAD_REQUEST, "serializer %s: %s", serializer->name,
                       text != NULL ? text : "error without text");
    lua_pop(L, 1);
    return rc;
  }
  return 0;
}

int peri_value_plugin_decode(lua_State *L, const peri_serializer *serializer, peri_bytes in,
                             peri_err *err) {
  lua_pushlstring(L, (const char *)in.ptr, in.len);
  return call(L, serializer, "decode", err);
}

int peri_value_plugin_encode(lua_State *L, int index, const peri_serializer *serializer,
                             peri_buf *out, peri_err *err) {
  lua_pushvalue(L, index);
  int rc = call(L, serializer, "encode", err);
  if (rc != 0) {
    return rc;
  }
  size_t len;
  const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &len) : NULL;
  if (text == NULL) {
    rc = peri_fail(err, PERI_EINTERNAL, "serializer %s: encode must return a string",
                   serializer->name);
  } else {
    peri_buf_add(out, text, len);
  }
  lua_pop(L, 1);
  return rc;
}
