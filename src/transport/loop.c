// SPDX-License-Identifier: MIT
// The turn runs in libuv's check phase, right after the poll. Close callbacks come after it and
// owners queue work outside it, so the prepare phase, right before the next poll, runs a second,
// mostly empty turn when there is something left to do. The wheel is the only clock; one uv_timer
// merely bounds the poll, so that an idle loop sleeps until the wheel's next stop.
#include "transport/loop.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "transport/loop_priv.h"

static bool has_posted(const peri_loop *loop) {
  return atomic_load(&loop->state->posted) != NULL;
}

// Oldest first: the stack is turned over before it is run.
static void run_posted(peri_loop *loop) {
  peri_message *stack = atomic_exchange_explicit(&loop->state->posted, NULL, memory_order_acquire);
  peri_message *queue = NULL;
  while (stack != NULL) {
    peri_message *next = stack->next;
    stack->next = queue;
    queue = stack;
    stack = next;
  }
  while (queue != NULL) {
    peri_message *message = queue;
    queue = message->next;  // `run` may free or post the message again
    message->run(message, loop);
  }
}

static void run_turn(peri_loop *loop) {
  struct peri_loop_state *state = loop->state;
  peri_loop_enter(loop);
  __atomic_fetch_add(&loop->turns, 1, __ATOMIC_RELAXED);
  state->wanted = false;
  if (has_posted(loop)) {
    run_posted(loop);
  }
  peri_wheel_advance(loop->wheel, peri_loop_now_ms(loop));
  peri_channels_deliver(loop);
  peri_channels_reap(loop);
  state->left = loop->on_drain != NULL && loop->on_drain(loop, loop->on_drain_arg);
  peri_channels_flush(loop);
}

static bool has_work(const peri_loop *loop) {
  const struct peri_loop_state *state = loop->state;
  return has_posted(loop) || state->wanted || !peri_list_empty(&loop->touched) ||
         !peri_list_empty(&state->ready) || !peri_list_empty(&state->closing);
}

static void on_bound(uv_timer_t *timer) {
  struct peri_loop_state *state = timer->data;
  state->timer_at = UINT64_MAX;
}

// A timer that wakes too early costs one empty turn, moving it costs a heap operation in each; so it
// is only ever moved forward.
static void bound_poll(peri_loop *loop) {
  struct peri_loop_state *state = loop->state;
  uint64_t next = peri_wheel_next(loop->wheel);
  if (next == UINT64_MAX) {
    return;
  }
  uint64_t at = peri_wheel_now(loop->wheel) + next;
  if (at < state->timer_at) {
    uint64_t now = peri_loop_now_ms(loop);
    uv_timer_start(&state->timer, on_bound, at > now ? at - now : 0, 0);
    state->timer_at = at;
  }
}

static void on_check(uv_check_t *check) {
  peri_loop *loop = check->data;
  atomic_store_explicit(&loop->state->asleep, false, memory_order_relaxed);
  run_turn(loop);
}

static void on_idle(uv_idle_t *idle) {
  (void)idle;
}

// Who posts from here on wakes us; what was posted before is seen by the second look.
static bool may_sleep(peri_loop *loop) {
  struct peri_loop_state *state = loop->state;
  if (state->left || has_work(loop)) {
    return false;
  }
  atomic_store(&state->asleep, true);
  if (has_posted(loop)) {
    atomic_store(&state->asleep, false);
    return false;
  }
  return true;
}

static void on_prepare(uv_prepare_t *prepare) {
  peri_loop *loop = prepare->data;
  struct peri_loop_state *state = loop->state;
  if (has_work(loop)) {
    run_turn(loop);
  }
  if (may_sleep(loop)) {
    uv_idle_stop(&state->idle);
    bound_poll(loop);
  } else {
    uv_idle_start(&state->idle, on_idle);
  }
  state->fresh = false;
}

// Only ends the poll; the turn that follows runs what was posted.
static void on_wake(uv_poll_t *poll, int status, int events) {
  uint64_t count;
  const peri_loop *loop = poll->data;
  (void)status;
  (void)events;
  (void)!read(loop->state->wake_fd, &count, sizeof count);
}

// An eventfd of our own, for uv_async_send is not over until after its write: the loop that it
// wakes spins until then, for long where both threads share a core and the sender has to wait for
// it.
static int init_wake(peri_loop *loop, struct peri_loop_state *state) {
  state->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (state->wake_fd < 0) {
    return PERI_ESYSTEM;
  }
  if (uv_poll_init(&loop->uv, &state->wake, state->wake_fd) != 0) {
    close(state->wake_fd);
    return PERI_ESYSTEM;
  }
  uv_poll_start(&state->wake, UV_READABLE, on_wake);
  return 0;
}

static int init_handles(peri_loop *loop, struct peri_loop_state *state) {
  if (uv_loop_init(&loop->uv) != 0) {
    return PERI_ESYSTEM;
  }
  if (init_wake(loop, state) != 0) {
    uv_loop_close(&loop->uv);
    return PERI_ESYSTEM;
  }
  uv_prepare_init(&loop->uv, &state->prepare);
  uv_check_init(&loop->uv, &state->check);
  uv_idle_init(&loop->uv, &state->idle);
  uv_timer_init(&loop->uv, &state->timer);
  uv_timer_init(&loop->uv, &state->guard);
  state->prepare.data = state->check.data = state->wake.data = loop;
  state->timer.data = state;
  uv_prepare_start(&state->prepare, on_prepare);
  uv_check_start(&state->check, on_check);
  return 0;
}

// libuv writes with plain writev: a peer that is gone must be an error, not the end of the process.
static void ignore_sigpipe(void) {
  struct sigaction old;
  if (sigaction(SIGPIPE, NULL, &old) == 0 && old.sa_handler == SIG_DFL) {
    signal(SIGPIPE, SIG_IGN);
  }
}

int peri_loop_init(peri_loop *loop) {
  *loop = (peri_loop){0};
  peri_owner_take(&loop->owner);
  ignore_sigpipe();
  struct peri_loop_state *state = peri_calloc(1, sizeof *state);
  if (init_handles(loop, state) != 0) {
    free(state);
    return PERI_ESYSTEM;
  }
  loop->state = state;
  peri_list_init(&loop->touched);
  peri_list_init(&state->ready);
  peri_list_init(&state->closing);
  peri_list_init(&state->inproc);
  state->timer_at = UINT64_MAX;
  peri_loop_update(loop);
  loop->wheel = peri_wheel_new(peri_loop_now_ms(loop));
  peri_random_init(&loop->random, peri_env->seed());
  return 0;
}

void peri_loop_run(peri_loop *loop) {
  peri_owner_check(&loop->owner);
  loop->state->stopped = false;
  while (!loop->state->stopped) {
    uv_run(&loop->uv, UV_RUN_DEFAULT);
  }
}

static void on_guard(uv_timer_t *timer) {
  (void)timer;
}

void peri_loop_turn(peri_loop *loop, uint64_t timeout_ms) {
  peri_owner_check(&loop->owner);
  if (timeout_ms == 0) {
    uv_run(&loop->uv, UV_RUN_NOWAIT);
    return;
  }
  uv_update_time(&loop->uv);
  uv_timer_start(&loop->state->guard, on_guard, timeout_ms, 0);
  uv_run(&loop->uv, UV_RUN_ONCE);
  uv_timer_stop(&loop->state->guard);
}

void peri_loop_stop(peri_loop *loop) {
  peri_owner_check(&loop->owner);
  loop->state->stopped = true;
  uv_stop(&loop->uv);
}

void peri_loop_leave(peri_loop *loop, peri_message *message) {
  struct peri_loop_state *state = loop->state;
  peri_message *head = atomic_load_explicit(&state->posted, memory_order_relaxed);
  do {
    message->next = head;
  } while (!atomic_compare_exchange_weak(&state->posted, &head, message));
}

void peri_loop_wake(peri_loop *loop) {
  struct peri_loop_state *state = loop->state;
  if (atomic_load(&state->asleep) && atomic_exchange(&state->asleep, false)) {
    uint64_t one = 1;
    (void)!write(state->wake_fd, &one, sizeof one);
  }
}

void peri_loop_post(peri_loop *loop, peri_message *message) {
  peri_loop_leave(loop, message);
  peri_loop_wake(loop);
}

void peri_loop_want_drain(peri_loop *loop) {
  peri_owner_check(&loop->owner);
  loop->state->wanted = true;
}

void peri_loop_update(peri_loop *loop) {
  loop->now_ns = peri_env->hrtime();
}

void peri_loop_arm(peri_loop *loop, peri_timer *timer, uint64_t delay_ms) {
  peri_owner_check(&loop->owner);
  // The wheel stands where the turn began, or at the tick it is firing; the delay counts from now.
  uint64_t behind = peri_loop_now_ms(loop) - peri_wheel_now(loop->wheel);
  if (peri_loop_now_ms(loop) < peri_wheel_now(loop->wheel)) {
    behind = 0;
  }
  peri_wheel_arm(loop->wheel, timer, delay_ms < UINT64_MAX - behind ? delay_ms + behind : delay_ms);
}

void peri_loop_cancel(peri_loop *loop, peri_timer *timer) {
  peri_owner_check(&loop->owner);
  peri_wheel_cancel(loop->wheel, timer);
}

static bool is_internal(const peri_loop *loop, const void *handle) {
  const char *at = handle;
  const char *state = (const char *)loop->state;
  return at >= state && at < state + sizeof *loop->state;
}

typedef struct census {
  peri_loop *loop;
  int open;     // not ours and not closing
  int closing;  // not ours
} census;

static void count_handle(uv_handle_t *handle, void *arg) {
  census *counts = arg;
  if (!is_internal(counts->loop, handle)) {
    counts->open += !uv_is_closing(handle);
    counts->closing += uv_is_closing(handle);
  }
}

static void close_forgotten(uv_handle_t *handle, void *arg) {
  (void)arg;
  if (!uv_is_closing(handle)) {
    uv_close(handle, NULL);
  }
}

static census take_census(peri_loop *loop) {
  census counts = {.loop = loop};
  uv_walk(&loop->uv, count_handle, &counts);
  return counts;
}

enum { REQUEST_TURNS = 25, REQUEST_TURN_MS = 10 };

// Close callbacks may close and post more; each round makes progress, the bound is for our bugs. False
// when a request on the thread pool does not end.
static bool finish_closing(peri_loop *loop) {
  int waits = 0;
  for (int round = 0; round < 10000; round++) {
    run_posted(loop);
    peri_loop_turn(loop, 0);
    if (take_census(loop).closing == 0 && loop->uv.active_reqs.count == 0 && !has_work(loop) &&
        atomic_load(&loop->state->posted) == NULL) {
      return true;
    }
    if (loop->uv.active_reqs.count != 0) {
      if (waits++ == REQUEST_TURNS) {
        return false;
      }
      peri_loop_turn(loop, REQUEST_TURN_MS);
    }
  }
  return true;
}

int peri_loop_fini(peri_loop *loop) {
  struct peri_loop_state *state = loop->state;
  peri_owner_take(&loop->owner);
  loop->on_drain = NULL;
  if (!finish_closing(loop)) {
    return PERI_ETIMEOUT;
  }
  int forgotten = take_census(loop).open + (int)state->inproc_open;
  uv_walk(&loop->uv, close_forgotten, NULL);
  uv_run(&loop->uv, UV_RUN_DEFAULT);
  peri_check(uv_loop_close(&loop->uv) == 0);
  close(state->wake_fd);
  peri_loop_free_memory(loop);
  peri_wheel_free(loop->wheel);
  free(state);
  loop->state = NULL;
  return forgotten;
}
