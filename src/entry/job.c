// SPDX-License-Identifier: MIT
// A job at home: made of a call, watched by the call's deadline, and what it brings back.
#include "entry/job.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/limit.h"
#include "base/mem.h"

enum {
  SEND_AT = 64,  // handed: the pool may begin with them while the others are being handed
  // A home that waits for answers looks for them so late, then later and later.
  LOOK_FIRST_MS = 1,
  LOOK_LAST_MS = 64,
  // What is kept for later jobs.
  SPARE = 512,
  SPARE_BLOCK = 1024,
  SPARE_REPLY = 4096,
};

static void end_lent(peri_job *job) {
  if (job->lent != NULL) {
    job->lent->give_back(job->lent);
    job->lent = NULL;
  }
}

void peri_job_free(peri_job *job) {
  end_lent(job);
  peri_block_unref(job->block);
  peri_buf_fini(&job->reply);
  peri_buf_fini(&job->error);
  free((void *)job->reply_attachments.ptr);
  free(job);
}

// Home: with its memory, if that is not much, for the next one.
static void discard(peri_server *server, peri_job *job) {
  free((void *)job->reply_attachments.ptr);
  job->reply_attachments.ptr = NULL;
  end_lent(job);
  peri_buf_fini(&job->error);
  if (server->spare_count >= SPARE || job->block->cap > SPARE_BLOCK || job->block->refs != 1 ||
      job->reply.cap > SPARE_REPLY) {
    peri_job_free(job);
    return;
  }
  server->spare_count++;
  peri_list_push(&server->spare, &job->link);
}

static peri_job *job_with(uint32_t size) {
  peri_block *block = peri_block_new(size > SPARE_BLOCK / 4 ? size : SPARE_BLOCK / 4);
  if (block == NULL) {
    return NULL;
  }
  peri_job *job = peri_calloc(1, sizeof *job);
  job->block = block;
  return job;
}

// Takes a spare one or makes one; what it says is old. NULL without memory.
static peri_job *reuse(peri_server *server, uint32_t size) {
  if (peri_list_empty(&server->spare)) {
    return job_with(size);
  }
  peri_job *job = peri_container(server->spare.prev, peri_job, link);  // the one used last
  peri_list_remove(&job->link);
  server->spare_count--;
  if (job->block->cap >= size) {
    job->block->used = 0;
    return job;
  }
  peri_job_free(job);
  return job_with(size);
}

// --- what is asked -----------------------------------------------------------------------------

static peri_bytes pack(peri_block *block, const void *from, size_t len) {
  uint8_t *at = block->data + block->used;
  if (len != 0) {
    memcpy(at, from, len);
  }
  block->used += (uint32_t)len;
  return (peri_bytes){at, len};
}

// With the zero at its end.
static char *pack_text(peri_block *block, const char *text) {
  return text == NULL ? NULL : (char *)(uintptr_t)pack(block, text, strlen(text) + 1).ptr;
}

static size_t text_size(const char *text) {
  return text == NULL ? 0 : strlen(text) + 1;
}

static const char *peer_of(const peri_call *call) {
  if (call->local) {
    return "inproc";
  }
  const peri_channel *channel = call->conn != NULL ? call->conn->channel : NULL;
  return channel != NULL ? peri_channel_peer(channel) : "gone";
}

static size_t size_of(const peri_call *call) {
  const peri_session *session = call->session;
  const peri_exporter *exporter = call->method->exporter;
  size_t size = call->body.len + call->attachments.len + call->method->name_len +
                text_size(exporter->iface) + text_size(exporter->alias) + text_size(peer_of(call));
  return session == NULL ? size : size + session->attributes.len + text_size(session->identity);
}

static void copy_session(peri_job *job, const peri_session *from) {
  job->has_session = true;
  job->session.id = from->id;
  job->session.native = from->native;
  job->session.authenticated = from->authenticated;
  job->session.identity = pack_text(job->block, from->identity);
  job->session.attributes.len = from->attributes.len;
  job->session.attributes.data =
      (uint8_t *)(uintptr_t)pack(job->block, from->attributes.data, from->attributes.len).ptr;
  job->wanted_compression =
      from->compression != NULL ? from->compression->id : (uint8_t)PERI_COMP_NONE;
}

static void copy_call(peri_job *job, const peri_call *call) {
  const peri_exporter *exporter = call->method->exporter;
  peri_block *block = job->block;
  job->body = pack(block, call->body.ptr, call->body.len);
  job->attachments = pack(block, call->attachments.ptr, call->attachments.len);
  job->iface = pack_text(block, exporter->iface);
  job->alias = pack_text(block, exporter->alias);
  job->method = pack(block, call->method->name, call->method->name_len);
  job->peer = pack_text(block, peer_of(call));
  job->asked = call->method;
  job->generation = call->method->generation;
  job->arrived_ns = call->arrived_ns;
  job->deadline_ns = call->deadline_ns;
  job->serializer = call->serializer;
  job->compression = call->compression;
  job->attachments_ser = call->attachments_ser;
  job->oneway = call->oneway;
  job->generic = call->generic;
  job->local = call->local;
  job->is_local = call->local || (call->conn != NULL && call->conn->channel != NULL &&
                                  peri_channel_is_local(call->conn->channel));
  job->foreign = call->foreign;
  job->error_value = peri_call_error_value(call);
  if (call->session != NULL) {
    copy_session(job, call->session);
  }
}

// --- at home -----------------------------------------------------------------------------------

static void leave_home(peri_job *job) {
  peri_list_remove(&job->of_home);
  peri_loop_cancel(job->home, &job->deadline);
}

// The answer of the call is the job's.
static void come_home(peri_message *message, peri_loop *loop) {
  (void)loop;
  peri_job *job = peri_container(message, peri_job, message);
  peri_server *server = job->server;
  if (server == NULL) {
    peri_job_free(job);
    return;
  }
  leave_home(job);
  peri_call *call = peri_server_call(server, job->call);
  if (call != NULL) {
    peri_call_reply_job(server, call, job);
  } else {
    pthread_mutex_lock(&server->pool->lock);
    server->pool->stats.late++;
    pthread_mutex_unlock(&server->pool->lock);
  }
  discard(server, job);
}

static void fail(peri_server *server, peri_call *call, int code, const char *text, bool not_run) {
  peri_call_fail(server, call, code, peri_bytes_of(text), not_run);
}

// True when nobody will run it.
static bool withdraw(peri_server *server, peri_job *job, int code) {
  if (job->unsent) {
    job->unsent = false;
    server->handed_count--;
    peri_list_remove(&job->link);
    return true;
  }
  return peri_pool_withdraw(server->pool, job, code);
}

static void deadline_passed(peri_timer *timer) {
  peri_job *job = peri_container(timer, peri_job, deadline);
  peri_server *server = job->server;
  peri_call *call = peri_server_call(server, job->call);
  peri_check(call != NULL);
  server->expired++;
  atomic_store(&job->cancelled, PERI_ETIMEOUT);
  if (withdraw(server, job, PERI_ETIMEOUT)) {
    leave_home(job);
    discard(server, job);
    fail(server, call, PERI_ETIMEOUT, "the deadline passed before an executor was free", true);
  } else {
    fail(server, call, PERI_ETIMEOUT, "the deadline passed while an executor ran it", false);
  }
}

static peri_job *job_new(peri_server *server, const peri_call *call) {
  peri_job *job = reuse(server, (uint32_t)size_of(call));
  if (job == NULL) {
    return NULL;
  }
  *job = (peri_job){
      .message = {.run = come_home},
      .server = server,
      .home = server->loop,
      .call = call->id,
      .block = job->block,
      .reply = {.data = job->reply.data, .cap = job->reply.cap},
  };
  peri_list_init(&job->link);
  peri_list_init(&job->of_home);
  peri_timer_init(&job->deadline, deadline_passed);
  copy_call(job, call);
  return job;
}

static void refuse(peri_server *server, peri_call *call) {
  char text[96];
  peri_limit_hit(PERI_LIMIT_EXECUTOR_QUEUE);
  server->refused_limit++;
  call->method->rejected++;
  snprintf(text, sizeof text, "too many calls wait for an executor (executor_queue = %u)",
           atomic_load(&server->pool->most));
  fail(server, call, PERI_EOVERLOADED, text, true);
}

void peri_job_hand(peri_server *server, peri_call *call, peri_lent *lent) {
  peri_job *job = job_new(server, call);
  if (job == NULL) {
    if (lent != NULL) {
      lent->give_back(lent);
    }
    fail(server, call, PERI_ENO_MEMORY, "no memory for another job", true);
    return;
  }
  job->lent = lent;
  call->state = PERI_CALL_HANDED;
  call->handed = job;
  peri_block_unref(call->block);
  call->block = NULL;
  call->body = call->attachments = (peri_bytes){NULL, 0};
  peri_list_push(&server->jobs, &job->of_home);
  uint64_t now = server->loop->now_ns;
  uint64_t left = call->deadline_ns > now ? call->deadline_ns - now : 0;
  peri_loop_arm(server->loop, &job->deadline, (left + 1999999u) / 1000000u);
  job->unsent = true;
  peri_list_push(&server->handed, &job->link);
  if (++server->handed_count >= SEND_AT) {
    peri_jobs_send(server);
  }
}

// The answers there are were taken at the beginning of this turn.
static void look(peri_timer *timer) {
  peri_server *server = peri_container(timer, peri_server, look);
  if (peri_list_empty(&server->jobs)) {
    server->look_ms = 0;
    return;
  }
  server->look_ms = server->look_ms < LOOK_LAST_MS ? server->look_ms * 2 : LOOK_LAST_MS;
  peri_loop_arm(server->loop, timer, server->look_ms);
}

static void look_soon(peri_server *server) {
  if (server->look_ms != LOOK_FIRST_MS) {
    server->look_ms = LOOK_FIRST_MS;
    peri_loop_arm(server->loop, &server->look, LOOK_FIRST_MS);
  }
}

void peri_jobs_init(peri_server *server) {
  peri_list_init(&server->jobs);
  peri_list_init(&server->handed);
  peri_list_init(&server->spare);
  peri_timer_init(&server->look, look);
}

void peri_jobs_send(peri_server *server) {
  for (peri_list *n = server->handed.next; n != &server->handed; n = n->next) {
    peri_container(n, peri_job, link)->unsent = false;
  }
  server->handed_count = 0;
  peri_pool_put(server->pool, &server->handed);
  peri_list *node;
  while ((node = peri_list_pop(&server->handed)) != NULL) {
    peri_job *job = peri_container(node, peri_job, link);
    peri_call *call = peri_server_call(server, job->call);
    peri_check(call != NULL);
    leave_home(job);
    discard(server, job);
    refuse(server, call);
  }
  look_soon(server);
}

void peri_job_cancel(peri_server *server, peri_call *call, int code) {
  peri_job *job = call->handed;
  atomic_store(&job->cancelled, code);
  if (withdraw(server, job, code)) {
    leave_home(job);
    discard(server, job);
    server->dropped++;
    peri_call_release(server, call);
  }
}

void peri_jobs_forget(peri_server *server) {
  peri_list *node;
  if (server->handed_count != 0) {
    peri_jobs_send(server);
  }
  while (!peri_list_empty(&server->jobs)) {
    peri_job *job = peri_container(server->jobs.next, peri_job, of_home);
    leave_home(job);
    job->server = NULL;
  }
  while ((node = peri_list_pop(&server->spare)) != NULL) {
    peri_job_free(peri_container(node, peri_job, link));
  }
  peri_loop_cancel(server->loop, &server->look);
}
