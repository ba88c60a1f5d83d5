// SPDX-License-Identifier: MIT
// The pool and its executors: which job runs where. What becomes of a job at home stands in job.c.
#include "entry/executor.h"

#include <stdlib.h>

#include "base/mem.h"
#include "entry/job.h"

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

int peri_pool_put(peri_pool *pool, peri_job *job) {
  pthread_mutex_lock(&pool->lock);
  bool room = pool->stats.queued < atomic_load(&pool->most) || !peri_list_empty(&pool->idle);
  if (room) {
    job->number = ++pool->last;
    job->queued = true;
    pool->stats.queued++;
    peri_list_push(&pool->queue, &job->link);
    if (!peri_list_empty(&pool->idle)) {
      wake(peri_container(pool->idle.next, peri_executor, idle));
    }
  } else {
    pool->stats.refused++;
  }
  pthread_mutex_unlock(&pool->lock);
  return room ? 0 : PERI_EOVERLOADED;
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

// The first job that these scripts can run; without one the executor is idle.
static peri_job *take(peri_executor *executor) {
  peri_pool *pool = executor->pool;
  peri_job *found = NULL;
  pthread_mutex_lock(&pool->lock);
  for (peri_list *n = pool->queue.next; n != &pool->queue && found == NULL; n = n->next) {
    peri_job *job = peri_container(n, peri_job, link);
    found = job->generation <= executor->generation ? job : NULL;
  }
  if (found != NULL) {
    unqueue(pool, found);
    found->runner = executor;
    pool->stats.busy++;
  } else {
    set_idle(pool, executor);
  }
  pthread_mutex_unlock(&pool->lock);
  return found;
}

static void send_home(peri_executor *executor) {
  peri_pool *pool = executor->pool;
  peri_job *job = executor->job;
  executor->job = NULL;
  pthread_mutex_lock(&pool->lock);
  job->runner = NULL;
  pool->stats.busy--;
  pool->stats.done++;
  pthread_mutex_unlock(&pool->lock);
  peri_loop_post(job->home, &job->message);
}

// Takes jobs until one has become a call, which the drain then runs.
static void next(peri_executor *executor) {
  peri_job *job;
  while (executor->server != NULL && executor->job == NULL && (job = take(executor)) != NULL) {
    executor->job = job;
    const peri_call *call = peri_server_open_job(executor->server, job);
    if (call == NULL) {
      send_home(executor);
    } else {
      executor->call = call->id;
      peri_loop_want_drain(executor->loop);
    }
  }
}

static void on_wake(peri_message *message, peri_loop *loop) {
  (void)loop;
  peri_executor *executor = peri_container(message, peri_executor, wake);
  pthread_mutex_lock(&executor->pool->lock);
  executor->woken = false;
  pthread_mutex_unlock(&executor->pool->lock);
  next(executor);
}

peri_executor *peri_executor_new(peri_pool *pool, peri_server *server) {
  peri_executor *executor = peri_calloc(1, sizeof *executor);
  *executor = (peri_executor){
      .pool = pool, .server = server, .loop = server->loop, .wake = {.run = on_wake}};
  peri_list_init(&executor->idle);
  pthread_mutex_lock(&pool->lock);
  executor->next = pool->executors;
  pool->executors = executor;
  pool->stats.executors++;
  pthread_mutex_unlock(&pool->lock);
  server->executor = executor;
  return executor;
}

void peri_executor_switch(peri_executor *executor, uint32_t generation) {
  executor->generation = generation;
  next(executor);
}

void peri_executor_close(peri_executor *executor) {
  pthread_mutex_lock(&executor->pool->lock);
  peri_list_remove(&executor->idle);
  executor->pool->stats.executors--;
  pthread_mutex_unlock(&executor->pool->lock);
  executor->server = NULL;
  if (executor->job != NULL) {
    executor->job->code = PERI_ESHUTDOWN;
    send_home(executor);
  }
}

void peri_executor_done(peri_executor *executor) {
  send_home(executor);
  next(executor);
}
