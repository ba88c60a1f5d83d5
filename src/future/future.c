// SPDX-License-Identifier: MIT
#include "future/future.h"

#include "base/limit.h"
#include "base/mem.h"

void peri_futures_init(peri_futures *futures, uint32_t limit) {
  *futures = (peri_futures){0};
  peri_slots_init(&futures->slots, sizeof(peri_future), limit);
}

void peri_futures_fini(peri_futures *futures) {
  peri_check(futures->slots.live == 0);
  peri_slots_fini(&futures->slots);
}

// From here on there is room for a result.
static void end_wait(peri_futures *futures, peri_future *future) {
  if (future->state == PERI_FUTURE_PENDING) {
    if (!peri_list_empty(&future->deadline.link)) {
      futures->disarm(futures->timers, &future->deadline);
    }
    future->body = future->message = (peri_bytes){NULL, 0};
    future->state = PERI_FUTURE_ANSWERED;
  }
}

void peri_future_finish(peri_futures *futures, peri_future *future, int code) {
  end_wait(futures, future);
  future->state = PERI_FUTURE_DONE;
  future->code = code;
  futures->completed++;
  future->done(future);  // may release it
}

static void on_deadline(peri_timer *timer) {
  peri_future *future = peri_container(timer, peri_future, deadline);
  peri_futures *futures = future->table;
  futures->timeouts++;
  peri_future_finish(futures, future, PERI_ETIMEOUT);
}

peri_future *peri_future_new(peri_futures *futures, void (*done)(peri_future *), void *owner) {
  peri_id id;
  peri_future *future = peri_slots_take_raw(&futures->slots, &id);
  if (future == NULL) {
    peri_limit_hit(PERI_LIMIT_FUTURES);
    return NULL;
  }
  *future = (peri_future){
      .deadline = {.fire = on_deadline},
      .id = id,
      .table = futures,
      .done = done,
      .owner = owner,
      .state = PERI_FUTURE_PENDING,
  };
  peri_list_init(&future->deadline.link);
  return future;
}

void peri_future_arm(peri_futures *futures, peri_future *future, uint64_t delay_ms) {
  if (future->state == PERI_FUTURE_PENDING) {
    futures->arm(futures->timers, &future->deadline, delay_ms);
  }
}

peri_future *peri_future_answer(peri_futures *futures, peri_id id) {
  peri_future *future = peri_future_get(futures, id);
  if (future == NULL || future->state != PERI_FUTURE_PENDING) {
    return NULL;
  }
  end_wait(futures, future);
  return future;
}

int peri_future_complete(peri_futures *futures, peri_id id, int code) {
  peri_future *future = peri_future_get(futures, id);
  if (future == NULL || future->state == PERI_FUTURE_DONE) {
    futures->late++;
    return 0;
  }
  peri_future_finish(futures, future, code);
  return 1;
}

int peri_future_cancel(peri_futures *futures, peri_id id) {
  peri_future *future = peri_future_get(futures, id);
  if (future == NULL || future->state != PERI_FUTURE_PENDING) {
    return 0;
  }
  futures->cancelled++;
  peri_future_finish(futures, future, PERI_ECANCELLED);
  return 1;
}

void peri_future_release(peri_futures *futures, peri_future *future) {
  end_wait(futures, future);
  peri_block_unref(future->block);
  peri_slots_put(&futures->slots, future->id);
}
