// SPDX-License-Identifier: MIT
// The pool and its executors: which job runs where. What becomes of a job at home stands in job.c.
#include "entry/executor.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "entry/job.h"

enum {
  TELL_NS = 100000,  // of work that answers may wait for before their homes are told
  LEFT_MOST = 256
};

static void set_idle(peri_pool *pool, peri_executor *executor) {
  if (peri_list_empty(&executor->idle)) {
    peri_list_push(&pool->idle, &executor->idle);
  }
}

// Under the lock: the executor looks for a job in a turn of its own.
static void wake(peri_executor *executor) {
  peri_list_remove(&executor->idle);
  if (!executor->woken) {
    executor->woken = true;
    peri_loop_post(executor->loop, &executor->wake);
  }
}

peri_pool *peri_pool_new(uint32_t most) {
  peri_pool *pool = peri_calloc(1, sizeof *pool);
  pthread_mutex_init(&pool->lock, NULL);
  peri_list_init(&pool->queue);
  peri_list_init(&pool->idle);
  atomic_init(&pool->most, most);
  return pool;
}

void peri_pool_limit(peri_pool *pool, uint32_t most) {
  atomic_store(&pool->most, most);
}

void peri_pool_stats_get(peri_pool *pool, peri_pool_stats *stats) {
  pthread_mutex_lock(&pool->lock);
  *stats = pool->stats;
  pthread_mutex_unlock(&pool->lock);
}

void peri_pool_free(peri_pool *pool) {
  peri_list *node;
  while ((node = peri_list_pop(&pool->queue)) != NULL) {
    peri_job_free(peri_container(node, peri_job, link));
  }
  while (pool->executors != NULL) {
    peri_executor *executor = pool->executors;
    pool->executors = executor->next;
    free(executor);
  }
  pthread_mutex_destroy(&pool->lock);
  free(pool);
}

// Under the lock. An executor without a job takes one at once: that one needs no place.
static bool has_room(const peri_pool *pool) {
  uint32_t free = pool->stats.executors - pool->stats.busy;
  return pool->stats.executors != 0 &&
         pool->stats.queued < (uint64_t)atomic_load(&pool->most) + free;
}

void peri_pool_put(peri_pool *pool, peri_list *jobs) {
  pthread_mutex_lock(&pool->lock);
  while (!peri_list_empty(jobs) && has_room(pool)) {
    peri_job *job = peri_container(peri_list_pop(jobs), peri_job, link);
    job->number = ++pool->last;
    job->queued = true;
    pool->stats.queued++;
    peri_list_push(&pool->queue, &job->link);
    if (!peri_list_empty(&pool->idle)) {
      wake(peri_container(pool->idle.next, peri_executor, idle));
    }
  }
  for (const peri_list *n = jobs->next; n != jobs; n = n->next) {
    pool->stats.refused++;
  }
  pthread_mutex_unlock(&pool->lock);
}

static void unqueue(peri_pool *pool, peri_job *job) {
  peri_list_remove(&job->link);
  job->queued = false;
  pool->stats.queued--;
}

// The job's message may be on its way home already, so what travels is its number.
typedef struct notice {
  peri_message message;
  peri_executor *to;
  uint64_t number;
  int code;
} notice;

static void deliver_notice(peri_message *message, peri_loop *loop) {
  (void)loop;
  notice *it = peri_container(message, notice, message);
  peri_executor *to = it->to;
  if (to->server != NULL && to->job != NULL && to->job->number == it->number) {
    peri_call *call = peri_server_call(to->server, to->call);
    if (call != NULL) {
      to->cancel(to->cancel_arg, call, it->code);
    }
  }
  free(it);
}

bool peri_pool_withdraw(peri_pool *pool, peri_job *job, int code) {
  pthread_mutex_lock(&pool->lock);
  bool queued = job->queued;
  if (queued) {
    unqueue(pool, job);
  } else if (job->runner != NULL) {
    notice *it = peri_calloc(1, sizeof *it);
    *it = (notice){{.run = deliver_notice}, job->runner, job->number, code};
    peri_loop_post(job->runner->loop, &it->message);
  }
  pthread_mutex_unlock(&pool->lock);
  return queued;
}

// --- an executor -------------------------------------------------------------------------------

// Under the lock: the first job that these scripts can run; without one the executor is idle.
static peri_job *take(peri_executor *executor) {
  peri_pool *pool = executor->pool;
  if (executor->leaves && pool->staying != 0) {
    return NULL;
  }
  for (peri_list *n = pool->queue.next; n != &pool->queue; n = n->next) {
    peri_job *job = peri_container(n, peri_job, link);
    if (job->generation <= executor->generation) {
      unqueue(pool, job);
      job->runner = executor;
      pool->stats.busy++;
      return job;
    }
  }
  set_idle(pool, executor);
  return NULL;
}

void peri_executor_tell(peri_executor *executor) {
  if (executor->left == 0) {
    return;
  }
  for (uint32_t i = 0; i < executor->homes; i++) {
    peri_loop_wake(executor->owed[i]);
  }
  uint64_t now = peri_env->hrtime();
  uint64_t took = now - executor->told_ns;
  if (took < TELL_NS && executor->left_most < LEFT_MOST) {
    executor->left_most *= 2;
  } else if (took > 2 * TELL_NS && executor->left_most > 1) {
    executor->left_most /= 2;
  }
  executor->told_ns = now;
  executor->homes = executor->left = 0;
}

// The job is its home's from here on.
static void leave(peri_executor *executor, peri_job *job) {
  peri_loop *home = job->home;
  uint32_t at = 0;
  peri_loop_leave(home, &job->message);
  executor->left++;
  while (at < executor->homes && executor->owed[at] != home) {
    at++;
  }
  if (at == executor->homes) {
    executor->owed[executor->homes++] = home;
  }
  if (executor->left >= executor->left_most || executor->homes == PERI_EXECUTOR_OWED) {
    peri_executor_tell(executor);
  }
}

// The job that it ran goes home, the next one takes its place.
static void change(peri_executor *executor) {
  peri_pool *pool = executor->pool;
  peri_job *done = executor->job;
  pthread_mutex_lock(&pool->lock);
  if (done != NULL) {
    done->runner = NULL;
    pool->stats.busy--;
    pool->stats.done++;
  }
  executor->job = executor->server != NULL ? take(executor) : NULL;
  pthread_mutex_unlock(&pool->lock);
  if (done != NULL) {
    leave(executor, done);
  }
}

// What is asked about the age of a call goes by the clock of the loop that runs it, which may stand where
// the turn began that ran the call before.
static const peri_call *open_job(peri_executor *executor) {
  peri_job *job = executor->job;
  if (job == NULL) {
    return NULL;
  }
  if (job->arrived_ns > executor->loop->now_ns) {
    peri_loop_update(executor->loop);
  }
  return peri_server_open_job(executor->server, job);
}

// Until a job has become a call, which the drain then runs.
static void next(peri_executor *executor) {
  do {
    change(executor);
    const peri_call *call = open_job(executor);
    if (call != NULL) {
      executor->call = call->id;
      peri_loop_want_drain(executor->loop);
      return;
    }
  } while (executor->job != NULL);
  peri_executor_tell(executor);
}

static void on_wake(peri_message *message, peri_loop *loop) {
  (void)loop;
  peri_executor *executor = peri_container(message, peri_executor, wake);
  pthread_mutex_lock(&executor->pool->lock);
  executor->woken = false;
  pthread_mutex_unlock(&executor->pool->lock);
  if (executor->server != NULL && executor->job == NULL) {
    executor->told_ns = peri_env->hrtime();
    next(executor);
  }
}

peri_executor *peri_executor_new(peri_pool *pool, peri_server *server) {
  peri_executor *executor = peri_calloc(1, sizeof *executor);
  *executor = (peri_executor){.pool = pool,
                              .server = server,
                              .loop = server->loop,
                              .wake = {.run = on_wake},
                              .left_most = 1};
  peri_list_init(&executor->idle);
  pthread_mutex_lock(&pool->lock);
  executor->next = pool->executors;
  pool->executors = executor;
  pool->stats.executors++;
  pool->staying++;
  pthread_mutex_unlock(&pool->lock);
  server->executor = executor;
  return executor;
}

void peri_executor_switch(peri_executor *executor, uint32_t generation) {
  executor->generation = generation;
  if (executor->job == NULL) {
    next(executor);
  }
}

void peri_executor_leave(peri_executor *executor) {
  peri_pool *pool = executor->pool;
  pthread_mutex_lock(&pool->lock);
  if (!executor->leaves) {
    executor->leaves = true;
    pool->staying--;
  }
  if (pool->staying != 0) {
    peri_list_remove(&executor->idle);
  }
  pthread_mutex_unlock(&pool->lock);
}

// Under the lock: nobody is left to run what waits.
static void empty(peri_pool *pool, peri_list *jobs) {
  peri_list_splice(jobs, &pool->queue);
  for (peri_list *n = jobs->next; n != jobs; n = n->next) {
    peri_job *job = peri_container(n, peri_job, link);
    job->queued = false;
    job->code = PERI_ESHUTDOWN;
    job->not_run = true;
  }
  pool->stats.queued = 0;
}

void peri_executor_close(peri_executor *executor) {
  peri_list jobs, *node;
  peri_list_init(&jobs);
  peri_executor_leave(executor);
  pthread_mutex_lock(&executor->pool->lock);
  peri_list_remove(&executor->idle);
  if (--executor->pool->stats.executors == 0) {
    empty(executor->pool, &jobs);
  }
  pthread_mutex_unlock(&executor->pool->lock);
  executor->server = NULL;
  while ((node = peri_list_pop(&jobs)) != NULL) {
    peri_job *job = peri_container(node, peri_job, link);
    peri_loop_post(job->home, &job->message);
  }
  if (executor->job != NULL) {
    executor->job->code = PERI_ESHUTDOWN;
    change(executor);
  }
  peri_executor_tell(executor);
}

void peri_executor_done(peri_executor *executor) {
  next(executor);
}
