// SPDX-License-Identifier: MIT
#include "process/count.h"

#include "base/metrics.h"

// X(row, metric, kind, expression over `vm`)
#define COUNTS(X)                                                                                  \
  X(ARRIVED, "perilune_calls_arrived", COUNTER, vm->server.arrived)                                \
  X(ANSWERED, "perilune_calls_answered", COUNTER, vm->server.answered)                             \
  X(FAILED, "perilune_calls_failed", COUNTER, vm->server.failed)                                   \
  X(AGE, "perilune_calls_refused_age", COUNTER, vm->server.refused_age)                            \
  X(LIMIT, "perilune_calls_refused_limit", COUNTER, vm->server.refused_limit)                      \
  X(DRAINING, "perilune_calls_refused_draining", COUNTER, vm->server.refused_draining)             \
  X(MEMORY, "perilune_calls_refused_memory", COUNTER, vm->server.refused_memory)                   \
  X(PINNED, "perilune_pinned_bytes", GAUGE, vm->server.pinned)                                     \
  X(EXPIRED, "perilune_calls_expired", COUNTER, vm->server.expired)                                \
  X(DROPPED, "perilune_calls_dropped", COUNTER, vm->server.dropped)                                \
  X(OPEN_CALLS, "perilune_calls_open", GAUGE, vm->server.calls.live)                               \
  X(CONNECTIONS, "perilune_connections", GAUGE, peri_vm_connections(vm))                           \
  X(LINKS, "perilune_connections_out", GAUGE, vm->links.live)                                      \
  X(FUTURES, "perilune_futures_pending", GAUGE, vm->futures.slots.live)                            \
  X(COMPLETED, "perilune_futures_completed", COUNTER, vm->futures.completed)                       \
  X(TIMEOUTS, "perilune_futures_timeouts", COUNTER, vm->futures.timeouts)                          \
  X(LATE, "perilune_futures_late", COUNTER, vm->futures.late)                                      \
  X(FIBERS, "perilune_fibers", GAUGE, vm->fibers.slots.live - vm->fibers.pooled)                   \
  X(GENERATION_CALLS, "perilune_generation_calls", GAUGE, held(vm, 0)->calls)                      \
  X(GENERATION_FIBERS, "perilune_generation_fibers", GAUGE, held(vm, 0)->fibers)                   \
  X(OLD_CALLS, "perilune_old_generation_calls", GAUGE, held(vm, 1)->calls)                         \
  X(OLD_FIBERS, "perilune_old_generation_fibers", GAUGE, held(vm, 1)->fibers)                      \
  X(LUA_BYTES, "perilune_lua_bytes", GAUGE, (int64_t)lua_gc(vm->L, LUA_GCCOUNT, 0) << 10)          \
  X(ERRORS, "perilune_script_errors", COUNTER, vm->script_errors)                                  \
  X(TURNS, "perilune_turns", COUNTER, vm->loop->turns)

// What the current generation of scripts still has to do, or the one `before` it.
static const peri_held *held(const peri_vm *vm, uint32_t before) {
  return &vm->fibers.held[(vm->fibers.generation - before) & 1];
}

enum {
#define X(row, name, kind, value) ROW_##row,
  COUNTS(X)
#undef X
      ROWS
};

static peri_metric rows[ROWS];

void peri_count_init(void) {
#define X(row, name, kind, value) rows[ROW_##row] = peri_metric_get(name, PERI_METRIC_##kind);
  COUNTS(X)
#undef X
}

void peri_count_vm(const peri_vm *vm) {
#define X(row, name, kind, value) peri_metric_set(rows[ROW_##row], (int64_t)(value));
  COUNTS(X)
#undef X
}
