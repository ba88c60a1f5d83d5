// SPDX-License-Identifier: MIT
#include "process/drain.h"

#include "entry/executor.h"

void peri_drain_begin(peri_vm *vm) {
  vm->server.draining = true;
  if (vm->server.executor != NULL) {
    peri_executor_leave(vm->server.executor);
  }
  for (peri_list *n = vm->accepted.next; n != &vm->accepted; n = n->next) {
    peri_conn *conn = peri_container(n, peri_accepted, link)->conn;
    if (!conn->draining) {
      peri_conn_drain(conn);
    }
  }
}

void peri_drain_refuse(peri_vm *vm) {
  vm->server.leaving = true;
}

uint32_t peri_drain_calls(const peri_vm *vm) {
  return vm->server.calls.live;
}

void peri_drain_finish(peri_vm *vm) {
  for (peri_list *n = vm->accepted.next; n != &vm->accepted; n = n->next) {
    peri_conn_finish(peri_container(n, peri_accepted, link)->conn);
  }
}
