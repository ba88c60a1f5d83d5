// SPDX-License-Identifier: MIT
#include "lua/error_value.h"

#include "base/log.h"
#include "lua/thrown.h"
#include "lua/value.h"

// In MessagePack, which has no classes.
static int encode_details(peri_vm *vm, lua_State *co, peri_buf *out, peri_err *err) {
  int at = 4;
  if (lua_isstring(co, 5)) {
    peri_thrown_push_details(co, 4);
    at = lua_gettop(co);
  }
  int code = peri_value_encode(co, at, peri_serializer_by_id(PERI_SER_MSGPACK),
                               &vm->conn_limits.value, out, err);
  return code == 0 && out->len > PERI_DETAILS_MAX
             ? peri_fail(err, PERI_ETOO_BIG, "they take %zu bytes, at most %d travel",
                         (size_t)out->len, PERI_DETAILS_MAX)
             : code;
}

void peri_error_encode(peri_vm *vm, const peri_call *call, lua_State *co, peri_buf *out) {
  peri_err err;
  int code = 0;
  peri_error_value kind = peri_call_error_value(call);
  if (kind == PERI_ERROR_DETAILS) {
    code = encode_details(vm, co, out, &err);
  } else if (kind == PERI_ERROR_EXCEPTION && lua_isstring(co, 5)) {
    const peri_serializer *serializer = peri_serializer_by_id(call->serializer);
    peri_thrown_push(co, 4, serializer);
    code = peri_value_encode(co, lua_gettop(co), serializer, &vm->conn_limits.value, out, &err);
    lua_pop(co, 1);
  }
  if (code != 0) {
    out->len = 0;
    peri_log(PERI_LOG_WARN, "ERROR-DETAILS", "%s.%s: the details of an error are left out: %s",
             call->method->exporter->iface, call->method->name, err.text);
  }
}
