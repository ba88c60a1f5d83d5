// SPDX-License-Identifier: MIT
// Threads that post to one loop; a request on the thread pool that takes as long as a spec wants.
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

#include "base/mem.h"
#include "transport/loop.h"

typedef struct storm {
  peri_loop *loop;
  int thread;
  int each;
  int *next;      // by thread: number the next message must have
  int *misorder;  // counter
  int *received;
} storm;

typedef struct drop {
  peri_message message;
  storm *from;
  int number;
} drop;

int peri_test_post_storm(peri_loop *loop, int threads, int each);
void peri_test_hold(peri_loop *loop);
void peri_test_let_go(void);

static void run_drop(peri_message *message, peri_loop *loop) {
  drop *d = (drop *)(void *)message;
  (void)loop;
  *d->from->misorder += d->from->next[d->from->thread]++ != d->number;
  ++*d->from->received;
  free(d);
}

static void *post_all(void *arg) {
  storm *s = arg;
  for (int i = 0; i < s->each; i++) {
    drop *d = peri_calloc(1, sizeof *d);
    d->message.run = run_drop;
    d->from = s;
    d->number = i;
    peri_loop_post(s->loop, &d->message);
  }
  return NULL;
}

// Returns 0 when every message came, each thread's in the order in which it posted them.
int peri_test_post_storm(peri_loop *loop, int threads, int each) {
  pthread_t ids[16];
  storm storms[16];
  int next[16] = {0};
  int misorder = 0;
  int received = 0;
  peri_check(threads <= 16);
  for (int i = 0; i < threads; i++) {
    storms[i] = (storm){loop, i, each, next, &misorder, &received};
    peri_check(pthread_create(&ids[i], NULL, post_all, &storms[i]) == 0);
  }
  for (int turn = 0; turn < 100000 && received < threads * each; turn++) {
    peri_loop_turn(loop, 10);
  }
  for (int i = 0; i < threads; i++) {
    pthread_join(ids[i], NULL);
  }
  return misorder + (threads * each - received);
}

static struct {
  uv_work_t request;
  sem_t over;
} held;

static void wait_until_over(uv_work_t *request) {
  (void)request;
  while (sem_wait(&held.over) != 0) {
  }
}

static void after_it(uv_work_t *request, int status) {
  (void)request;
  (void)status;
}

void peri_test_hold(peri_loop *loop) {
  sem_init(&held.over, 0, 0);
  peri_check(uv_queue_work(&loop->uv, &held.request, wait_until_over, after_it) == 0);
}

void peri_test_let_go(void) {
  sem_post(&held.over);
}
