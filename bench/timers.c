// SPDX-License-Identifier: MIT
// What a deadline costs while many others stand: one arm and one cancel with 100 000 outstanding,
// on our wheel and on libuv's heap. As with calls, timers start and end in about the same order:
// each step cancels the timer that has stood longest but for some, and arms it again. Times are
// CPU time of this thread; the two take turns, medians of the rounds are printed.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <uv.h>

#include "transport/wheel.h"

enum { OUTSTANDING = 100000, STEPS = 1000000, ROUNDS = 5, SHUFFLE = 64, STEPS_PER_MS = 1000 };

static uint32_t order[OUTSTANDING];

static uint64_t cpu_ns(void) {
  struct timespec at;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
  return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

static uint32_t next_random(void) {
  static uint32_t state = 2463534242u;
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state;
}

// Calls begun together end in another order.
static void make_order(void) {
  for (uint32_t i = 0; i < OUTSTANDING; i++) {
    order[i] = i;
  }
  for (uint32_t i = 0; i + SHUFFLE < OUTSTANDING; i++) {
    uint32_t other = i + next_random() % SHUFFLE;
    uint32_t kept = order[i];
    order[i] = order[other];
    order[other] = kept;
  }
}

// Deadlines of different methods: 1 to 5 s.
static uint64_t delay_of(uint32_t step) {
  return 1000 + (step * 2654435761u >> 20);
}

static void on_wheel(peri_timer *timer) {
  (void)timer;
}

static void on_uv(uv_timer_t *timer) {
  (void)timer;
}

static double measure_wheel(void) {
  peri_timer *timers = calloc(OUTSTANDING, sizeof *timers);
  uint64_t now = 1;
  peri_wheel *wheel = peri_wheel_new(now);
  if (!timers) {
    abort();
  }
  for (uint32_t i = 0; i < OUTSTANDING; i++) {
    peri_timer_init(&timers[i], on_wheel);
    peri_wheel_arm(wheel, &timers[i], delay_of(i));
  }
  uint64_t begin = cpu_ns();
  for (uint32_t step = 0; step < STEPS; step++) {
    peri_timer *timer = &timers[order[step % OUTSTANDING]];
    peri_wheel_cancel(wheel, timer);
    peri_wheel_arm(wheel, timer, delay_of(step));
    if (step % STEPS_PER_MS == 0) {
      peri_wheel_advance(wheel, ++now);
    }
  }
  uint64_t spent = cpu_ns() - begin;
  if (peri_wheel_count(wheel) != OUTSTANDING) {
    fputs("timers: the wheel lost some\n", stderr);
    exit(1);
  }
  peri_wheel_free(wheel);
  free(timers);
  return (double)spent / STEPS;
}

static double measure_uv(uv_loop_t *loop) {
  uv_timer_t *timers = calloc(OUTSTANDING, sizeof *timers);
  if (!timers) {
    abort();
  }
  uv_update_time(loop);
  for (uint32_t i = 0; i < OUTSTANDING; i++) {
    uv_timer_init(loop, &timers[i]);
    uv_timer_start(&timers[i], on_uv, delay_of(i) + 100000, 0);
  }
  uint64_t begin = cpu_ns();
  for (uint32_t step = 0; step < STEPS; step++) {
    uv_timer_t *timer = &timers[order[step % OUTSTANDING]];
    uv_timer_stop(timer);
    // The loop's own clock stands still here; the simulated one moves as the wheel's does.
    uv_timer_start(timer, on_uv, delay_of(step) + 100000 + step / STEPS_PER_MS, 0);
  }
  uint64_t spent = cpu_ns() - begin;
  for (uint32_t i = 0; i < OUTSTANDING; i++) {
    uv_close((uv_handle_t *)&timers[i], NULL);
  }
  uv_run(loop, UV_RUN_DEFAULT);
  free(timers);
  return (double)spent / STEPS;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a;
  double y = *(const double *)b;
  return (x > y) - (x < y);
}

int main(void) {
  double wheel[ROUNDS];
  double uv[ROUNDS];
  make_order();
  for (int i = 0; i < ROUNDS; i++) {
    wheel[i] = measure_wheel();
    uv[i] = measure_uv(uv_default_loop());
  }
  qsort(wheel, ROUNDS, sizeof *wheel, by_value);
  qsort(uv, ROUNDS, sizeof *uv, by_value);
  printf("{\"outstanding\":%d,\"wheel_ns\":%.2f,\"uv_timer_ns\":%.2f}\n", OUTSTANDING,
         wheel[ROUNDS / 2], uv[ROUNDS / 2]);
  return 0;
}
