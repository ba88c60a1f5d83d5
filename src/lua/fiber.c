// SPDX-License-Identifier: MIT
#include "lua/fiber.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/hot.h"
#include "base/limit.h"
#include "base/log.h"
#include "base/mem.h"
#include "lua/raw.h"
#include "lua/ref.h"
#include "lua/request.h"
#include "lua/serve.h"
#include "lua/vm.h"

// More coroutines than this are given back to the collector when they are done.
enum { POOL_MAX = 1024 };

void *peri_slots_by_number(const peri_slots *slots, double number) {
  if (!(number > 0 && number < 0x1p53)) {  // peers name callbacks so: any text of a number
    return NULL;
  }
  uint64_t id = (uint64_t)number;
  uint32_t slot = (uint32_t)id;
  if (slot >= slots->fresh) {
    return NULL;
  }
  peri_slot *header = peri_slots_header(slots, slot);
  bool same = (header->gen & 0x1fffffu) == (uint32_t)(id >> 32);
  return same && (header->gen & 1) != 0 ? header + 1 : NULL;
}

peri_fiber *peri_fiber_by_number(peri_vm *vm, double number) {
  return peri_slots_by_number(&vm->fibers.slots, number);
}

// Runs inside lua_cpcall: creating a thread may fail for want of memory.
static int new_coroutine(lua_State *L) {
  peri_fiber *fiber = lua_touserdata(L, 1);
  fiber->co = lua_newthread(L);
  fiber->ref = peri_ref(L);
  return 0;
}

static void timer_fired(peri_timer *timer) {
  peri_fiber *fiber = peri_container(timer, peri_fiber, timer);
  int code = fiber->wait == PERI_WAIT_SLEEP ? 0 : PERI_ETIMEOUT;
  peri_fiber_wake(fiber->vm, fiber, fiber->code != 0 ? fiber->code : code);
}

static PERI_COLD peri_fiber *fiber_new(peri_vm *vm) {
  peri_id id;
  peri_fiber *fiber = peri_slots_take(&vm->fibers.slots, &id);
  if (fiber == NULL) {
    peri_limit_hit(PERI_LIMIT_COROUTINES);
    return NULL;
  }
  if (lua_cpcall(vm->L, new_coroutine, fiber) != 0) {
    lua_pop(vm->L, 1);
    peri_slots_release(&vm->fibers.slots, id);
    return NULL;
  }
  fiber->id = id;
  fiber->vm = vm;
  peri_list_init(&fiber->queue);
  peri_list_init(&fiber->of_call);
  peri_timer_init(&fiber->timer, timer_fired);
  return fiber;
}

peri_fiber *peri_fiber_take(peri_vm *vm) {
  peri_owner_check(&vm->loop->owner);
  peri_list *node = peri_list_pop(&vm->fibers.free);
  peri_fiber *fiber;
  if (node != NULL) {
    fiber = peri_container(node, peri_fiber, queue);
    vm->fibers.pooled--;
    fiber->pooled = false;
  } else if ((fiber = fiber_new(vm)) == NULL) {
    return NULL;
  }
  fiber->state = PERI_FIBER_RUNNING;
  fiber->wait = PERI_WAIT_NONE;
  fiber->cancelled = 0;
  fiber->serves = false;
  fiber->generation = 0;
  fiber->deadline_ns = 0;
  return fiber;
}

// Its task is done.
static void leave_generation(peri_vm *vm, peri_fiber *fiber) {
  if (fiber->generation != 0) {
    vm->fibers.held[fiber->generation & 1].fibers--;
    fiber->generation = 0;
  }
}

static PERI_COLD void fiber_drop(peri_vm *vm, peri_fiber *fiber) {
  peri_unref(vm->L, fiber->ref);
  peri_slots_release(&vm->fibers.slots, fiber->id);
}

// A new generation for each task, so that an id kept from an earlier one finds nothing.
static void renew_id(peri_vm *vm, peri_fiber *fiber) {
  peri_slot *header = peri_slots_header(&vm->fibers.slots, (uint32_t)fiber->id);
  header->gen += 2;
  fiber->id = (peri_id)header->gen << 32 | (uint32_t)fiber->id;
}

static PERI_INLINE void fiber_put(peri_vm *vm, peri_fiber *fiber) {
  fiber->state = PERI_FIBER_FREE;
  leave_generation(vm, fiber);
  peri_list_remove(&fiber->of_call);
  fiber->call = NULL;
  if (vm->fibers.pooled >= POOL_MAX) {
    fiber_drop(vm, fiber);
    return;
  }
  renew_id(vm, fiber);
  fiber->pooled = true;
  vm->fibers.pooled++;
  // The most recently used coroutine is the warmest.
  peri_list_push(vm->fibers.free.next, &fiber->queue);
}

void peri_fiber_discard(peri_vm *vm, peri_fiber *fiber) {
  lua_settop(fiber->co, 0);
  fiber_put(vm, fiber);
}

double peri_fiber_left(const peri_vm *vm, const peri_fiber *fiber, double most) {
  if (fiber->deadline_ns == 0) {
    return most;
  }
  if (fiber->deadline_ns <= vm->loop->now_ns) {
    return 0;
  }
  double left = (double)(fiber->deadline_ns - vm->loop->now_ns) / 1e6;
  return left < most ? left : most;
}

void peri_fiber_inherit(peri_fiber *child, const peri_fiber *parent) {
  child->deadline_ns = parent->deadline_ns;
  child->cancelled = parent->cancelled;
  if (parent->call != NULL) {
    child->call = parent->call;
    peri_list_push(&parent->call->fibers, &child->of_call);
  }
}

static void make_ready(peri_vm *vm, peri_fiber *fiber) {
  fiber->state = PERI_FIBER_READY;
  peri_list_push(&vm->fibers.ready, &fiber->queue);
  peri_loop_want_drain(vm->loop);
}

void peri_fiber_start(peri_vm *vm, peri_fiber *fiber) {
  peri_owner_check(&vm->loop->owner);
  fiber->wait = PERI_WAIT_START;
  make_ready(vm, fiber);
}

void peri_fiber_wake(peri_vm *vm, peri_fiber *fiber, int code) {
  peri_owner_check(&vm->loop->owner);
  if (fiber->state != PERI_FIBER_PARKED) {
    return;
  }
  peri_loop_cancel(vm->loop, &fiber->timer);
  fiber->code = (int16_t)code;
  make_ready(vm, fiber);
}

void peri_fiber_wake_later(peri_vm *vm, peri_fiber *fiber, int code) {
  peri_owner_check(&vm->loop->owner);
  fiber->code = (int16_t)code;
  peri_loop_arm(vm->loop, &fiber->timer, 0);
}

void peri_fiber_cancel(peri_vm *vm, peri_fiber *fiber, int code) {
  peri_owner_check(&vm->loop->owner);
  if (fiber->cancelled == 0) {
    fiber->cancelled = (int16_t)code;
  }
  if (fiber->state != PERI_FIBER_PARKED) {
    return;
  }
  if (fiber->begun) {
    peri_request_cancel(vm, fiber, code);
  } else {
    peri_fiber_wake(vm, fiber, code);
  }
}

void peri_fiber_cancel_background(peri_vm *vm, uint32_t generation) {
  for (uint32_t i = 0; i < vm->fibers.slots.fresh; i++) {
    peri_slot *slot = peri_slots_header(&vm->fibers.slots, i);
    peri_fiber *fiber = (peri_fiber *)(void *)(slot + 1);
    if ((slot->gen & 1) != 0 && fiber->state != PERI_FIBER_FREE &&
        fiber->generation == generation && fiber->call == NULL) {
      peri_fiber_cancel(vm, fiber, PERI_ECANCELLED);
    }
  }
}

static bool expired(const peri_vm *vm, const peri_fiber *fiber) {
  return fiber->deadline_ns != 0 && fiber->deadline_ns <= vm->loop->now_ns;
}

static PERI_INLINE void clear(lua_State *co) {
  if (peri_raw_usable()) {
    peri_raw_clear(co);
  } else {
    lua_settop(co, 0);
  }
}

// The milliseconds of (WAIT, number, ms), -1 where there are none.
static PERI_INLINE double time_of(lua_State *co, int wait) {
  size_t count = 0;
  const peri_raw *values = peri_raw_usable() ? peri_raw_values(co, &count) : NULL;
  if (count > 2 && peri_raw_is_number(values[2])) {
    return values[2].number;
  }
  return wait == PERI_WAIT_SLEEP || lua_isnumber(co, 3) ? lua_tonumber(co, 3) : -1;
}

// Begins the wait that the coroutine yielded: (WAIT, number, arguments...).
static PERI_INLINE void begin_timed(peri_vm *vm, peri_fiber *fiber) {
  double ms = time_of(fiber->co, fiber->wait);
  clear(fiber->co);
  if (expired(vm, fiber)) {
    peri_fiber_wake_later(vm, fiber, PERI_ETIMEOUT);
    return;
  }
  if (ms == 0 && fiber->wait == PERI_WAIT_SLEEP) {
    fiber->code = 0;
    fiber->state = PERI_FIBER_READY;
    peri_list_push(&vm->fibers.later, &fiber->queue);
    return;
  }
  if (ms > 0) {  // all below counts from where the turn began
    ms += (double)(peri_env->hrtime() - vm->loop->now_ns) / 1e6;
  }
  double left = peri_fiber_left(vm, fiber, ms >= 0 ? ms : 1e15);
  if (ms >= 0 && left < ms) {
    fiber->code = PERI_ETIMEOUT;  // the deadline comes first
  }
  if (left < 1e15) {
    // The wheel counts whole milliseconds from its last tick: never wake before the time is over.
    double part = (double)(vm->loop->now_ns % 1000000u) / 1e6;
    peri_loop_arm(vm->loop, &fiber->timer, (uint64_t)ceil(left + part));
  }
}

// Has the coroutine yielded one of our waits, (WAIT, number, ...)? Then notes which.
static PERI_INLINE bool is_wait(const peri_vm *vm, peri_fiber *fiber) {
  lua_State *co = fiber->co;
  size_t count = 0;
  const peri_raw *values = peri_raw_usable() ? peri_raw_values(co, &count) : NULL;
  if (values == NULL ||
      (count > 1 && !peri_raw_is_number(values[1]))) {  // or an integer, as ARM has
    fiber->wait = (uint8_t)lua_tointeger(co, 2);
    return lua_touserdata(co, 1) == vm;
  }
  if (count < 2 || values[0].bits != vm->wait_mark) {
    return false;
  }
  fiber->wait = (uint8_t)(int64_t)values[1].number;
  return true;
}

static void park(peri_vm *vm, peri_fiber *fiber) {
  fiber->state = PERI_FIBER_PARKED;
  fiber->since_ns = vm->loop->now_ns;
  atomic_store_explicit(&vm->current, NULL, memory_order_relaxed);
  fiber->code = 0;
  fiber->begun = false;
  if (fiber->call != NULL) {
    peri_call_park(fiber->call);
  }
  if (fiber->cancelled != 0) {
    clear(fiber->co);
    peri_fiber_wake_later(vm, fiber, fiber->cancelled);
    return;
  }
  if (fiber->wait == PERI_WAIT_SLEEP || fiber->wait == PERI_WAIT_PARK) {
    begin_timed(vm, fiber);
  } else {
    peri_request_begin(vm, fiber);
  }
}

// A field of the error at the top of `co`, without metamethods; NULL when it is no text.
static const char *error_field(lua_State *co, const char *name) {
  if (!lua_istable(co, -1)) {
    return NULL;
  }
  lua_pushstring(co, name);
  lua_rawget(co, -2);
  const char *text = lua_type(co, -1) == LUA_TSTRING ? lua_tostring(co, -1) : NULL;
  lua_pop(co, 1);  // the error keeps it
  return text;
}

static void log_error(peri_vm *vm, lua_State *co) {
  const char *code = error_field(co, "code");
  const char *text = code != NULL ? error_field(co, "message") : lua_tostring(co, -1);
  luaL_traceback(vm->L, co, text != NULL ? text : "(error object is not a string)", 0);
  peri_log(PERI_LOG_ERROR, "SCRIPT-ERROR", "%s%s%s", code != NULL ? code : "",
           code != NULL ? ": " : "", lua_tostring(vm->L, -1));
  lua_pop(vm->L, 1);
  vm->script_errors++;
}

static PERI_COLD void failed(peri_vm *vm, peri_fiber *fiber) {
  const char *code = error_field(fiber->co, "code");
  // A task that ends because its wait was ended, or by os.exit (perilune/exit.lua), is no script error.
  int why = fiber->cancelled != 0 ? fiber->cancelled : PERI_ECANCELLED;
  bool ended = code != NULL && strcmp(code, peri_code_name(why)) == 0 &&
               (fiber->cancelled != 0 || error_field(fiber->co, "ends") != NULL);
  if (!ended) {
    log_error(vm, fiber->co);
  }
  if (fiber->serves) {
    peri_serve_crashed(vm, fiber);
  }
  peri_list_remove(&fiber->of_call);
  leave_generation(vm, fiber);
  fiber_drop(vm, fiber);
}

// Does it prepare a generation that is to serve, or clear up after one that has served? Neither may keep the
// worker from its calls for as long as it likes: Lua has a hook for such turns (core.on_aside).
static PERI_COLD bool is_aside(const peri_vm *vm, const peri_fiber *fiber) {
  return vm->on_aside != LUA_NOREF && fiber->generation != 0 &&
         (fiber->generation > vm->fibers.generation || fiber->call == NULL);
}

static PERI_COLD void tell_aside(peri_vm *vm, bool begins) {
  peri_ref_push(vm->L, vm->on_aside);
  lua_pushboolean(vm->L, begins);
  if (lua_pcall(vm->L, 1, 0, 0) != 0) {
    lua_pop(vm->L, 1);  // no memory: the turn goes without
  }
}

void peri_fiber_resume(peri_vm *vm, peri_fiber *fiber, int nargs) {
  peri_owner_check(&vm->loop->owner);
  lua_State *co = fiber->co;
  peri_fiber *before = vm->fibers.running;
  bool aside = fiber->generation != vm->fibers.generation && is_aside(vm, fiber);
  fiber->state = PERI_FIBER_RUNNING;
  vm->fibers.running = fiber;
  if (aside) {
    tell_aside(vm, true);
  }
  int status = lua_resume(co, nargs);
  if (aside) {
    tell_aside(vm, false);
  }
  vm->fibers.running = before;
  if (status == LUA_YIELD && is_wait(vm, fiber)) {
    park(vm, fiber);
    return;
  }
  if (status != 0) {
    if (status == LUA_YIELD) {
      // coroutine.yield refuses to run in the fiber itself: this was a C module.
      lua_pushliteral(co, "a C function yielded in a fiber; only perilune's waits may");
    }
    failed(vm, fiber);
    return;
  }
  if (fiber->serves) {
    peri_serve_done(vm, fiber);
  }
  clear(co);
  fiber_put(vm, fiber);
}

// Pushes what the wait gave; the values are what the yield returns in Lua.
static int push_results(peri_vm *vm, peri_fiber *fiber) {
  lua_State *co = fiber->co;
  switch (fiber->wait) {
  case PERI_WAIT_START: return lua_gettop(co) - 1;
  case PERI_WAIT_SLEEP:
    if (fiber->code == 0) {
      return 0;
    }
    lua_pushstring(co, peri_code_name(fiber->code));
    return 1;
  case PERI_WAIT_PARK:
    if (fiber->code == 0) {
      return lua_gettop(co);
    }
    lua_settop(co, 0);
    lua_pushboolean(co, 0);
    lua_pushstring(co, peri_code_name(fiber->code));
    return 2;
  default: return peri_request_push(vm, fiber, co);
  }
}

void peri_fiber_turn(peri_vm *vm) {
  peri_list_splice(&vm->fibers.ready, &vm->fibers.later);
}

void peri_fiber_catch_up(peri_vm *vm) {
  uint64_t since = vm->loop->now_ns;
  uint64_t was_ms = peri_loop_now_ms(vm->loop);
  peri_loop_update(vm->loop);
  for (uint32_t i = 0; i < vm->fibers.slots.fresh; i++) {
    peri_slot *slot = peri_slots_header(&vm->fibers.slots, i);
    peri_fiber *fiber = (peri_fiber *)(void *)(slot + 1);
    if ((slot->gen & 1) != 0 && fiber->state == PERI_FIBER_PARKED && fiber->since_ns == since) {
      peri_request_catch_up(vm, fiber, was_ms);
    }
  }
}

// A script has resumed the fiber's coroutine itself, as it got it from coroutine.running: what lies on its
// stack is not what the wait left there.
static PERI_COLD void taken_over(peri_vm *vm, peri_fiber *fiber) {
  (void)push_results(vm, fiber);  // ends the wait
  lua_pushliteral(fiber->co, "a script resumed the coroutine of a fiber; to wake one use a future");
  failed(vm, fiber);
}

bool peri_fiber_run_ready(peri_vm *vm) {
  peri_list *node = peri_list_pop(&vm->fibers.ready);
  if (node == NULL) {
    return false;
  }
  peri_fiber *fiber = peri_container(node, peri_fiber, queue);
  peri_check(fiber->state == PERI_FIBER_READY);
  if (__builtin_expect((fiber->wait == PERI_WAIT_START) == (lua_status(fiber->co) == LUA_YIELD),
                       0)) {
    taken_over(vm, fiber);
    return true;
  }
  const peri_call *call = fiber->call;
  atomic_store_explicit(&vm->current, call != NULL ? call->method : NULL, memory_order_release);
  peri_fiber_resume(vm, fiber, push_results(vm, fiber));
  return true;
}
