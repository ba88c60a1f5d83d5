// SPDX-License-Identifier: MIT
// Runs admitted calls: one fiber each, through the method's compiled chain, and turns what the chain
// returns into the reply. A chain is a Lua function (slot, gen, count, args...) that returns one of
//
//   nothing | false, value | true: the body of this call | true, slot and gen of another one
//   code number, message, not_run
#pragma once
#include "lua/vm.h"

// What reads the arguments of a call and writes its result; NULL when its id is unknown here.
static inline const peri_serializer *peri_serve_serializer(const peri_call *call) {
  const peri_serializer *own = call->method->exporter->serializer;
  return own != NULL && own->id == call->serializer ? own : peri_serializer_by_id(call->serializer);
}

// How its arguments are read: where types are declared, they decide what becomes of digits.
static inline peri_value_limits peri_serve_limits(const peri_vm *vm, const peri_call *call) {
  peri_value_limits limits = vm->conn_limits.value;
  limits.exact = call->method->returns != NULL;
  return limits;
}

// Runs the next queued call; false when none waits.
bool peri_serve_next(peri_vm *vm);
// The chain of `fiber` returned; its values are on the stack. Ends the call.
void peri_serve_done(peri_vm *vm, peri_fiber *fiber);
// The chain raised past its guards: the call ends as INTERNAL.
void peri_serve_crashed(peri_vm *vm, peri_fiber *fiber);
// A CANCEL for a call of this connection, of either direction.
void peri_serve_cancel(peri_vm *vm, peri_conn *conn, uint64_t stream);
// The same for a call made in this worker.
void peri_serve_cancel_local(peri_vm *vm, peri_id call);
// In an executor (peri_executor.cancel): nobody waits for the answer of the call it runs.
void peri_serve_cancel_job(void *vm, peri_call *call, int code);
// The connection is gone: its calls are cancelled.
void peri_serve_forget(peri_vm *vm, peri_conn *conn);
// peri_conn_handler.authenticate of accepted connections: a task asks the script's authenticators
// (serve_authenticate.c).
int peri_serve_authenticate(void *vm, peri_conn *conn, peri_session *session, uint32_t request,
                            peri_bytes type, peri_bytes attributes);
// The connection handler of accepted connections.
extern const peri_conn_handler peri_serve_handler;
// core.export and its like (export.c).
extern const luaL_Reg peri_serve_functions[];
// What reads a call in progress (call.c).
extern const luaL_Reg peri_call_functions[];
