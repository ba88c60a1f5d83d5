// SPDX-License-Identifier: MIT
// A job at home: made of a call, watched by the call's deadline, and what it brings back.
#include "entry/job.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/limit.h"
#include "base/mem.h"

void peri_job_free(peri_job *job) {
  peri_block_unref(job->block);
  peri_buf_fini(&job->reply);
  free((void *)job->reply_attachments.ptr);
  free(job);
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
  job->generation = call->method->generation;
  job->arrived_ns = call->arrived_ns;
  job->deadline_ns = call->deadline_ns;
  job->serializer = call->serializer;
  job->compression = call->compression;
  job->attachments_ser = call->attachments_ser;
  job->oneway = call->oneway;
  job->local = call->local;
  job->is_local = call->local || (call->conn != NULL && call->conn->channel != NULL &&
                                  peri_channel_is_local(call->conn->channel));
  job->foreign = call->foreign;
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
  if (server != NULL) {
    leave_home(job);
    peri_call *call = peri_server_call(server, job->call);
    if (call != NULL) {
      peri_call_reply_job(server, call, job);
    } else {
      pthread_mutex_lock(&server->pool->lock);
      server->pool->stats.late++;
      pthread_mutex_unlock(&server->pool->lock);
    }
  }
  peri_job_free(job);
}

static void fail(peri_server *server, peri_call *call, int code, const char *text, bool not_run) {
  peri_call_fail(server, call, code, peri_bytes_of(text), not_run);
}

static void deadline_passed(peri_timer *timer) {
  peri_job *job = peri_container(timer, peri_job, deadline);
  peri_server *server = job->server;
  peri_call *call = peri_server_call(server, job->call);
  peri_check(call != NULL);
  server->expired++;
  atomic_store(&job->cancelled, PERI_ETIMEOUT);
  if (peri_pool_withdraw(server->pool, job, PERI_ETIMEOUT)) {
    leave_home(job);
    peri_job_free(job);
    fail(server, call, PERI_ETIMEOUT, "the deadline passed before an executor was free", true);
  } else {
    fail(server, call, PERI_ETIMEOUT, "the deadline passed while an executor ran it", false);
  }
}

static peri_job *job_new(peri_server *server, const peri_call *call) {
  peri_block *block = peri_block_new((uint32_t)size_of(call));
  if (block == NULL) {
    return NULL;
  }
  peri_job *job = peri_calloc(1, sizeof *job);
  job->message.run = come_home;
  job->server = server;
  job->home = server->loop;
  job->call = call->id;
  job->block = block;
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

void peri_job_hand(peri_server *server, peri_call *call) {
  if (call->callback != NULL) {
    fail(server, call, PERI_EBAD_REQUEST,
         "the method runs in an executor, which takes no functions as arguments", false);
    return;
  }
  peri_job *job = job_new(server, call);
  if (job == NULL) {
    fail(server, call, PERI_ENO_MEMORY, "no memory for another job", true);
    return;
  }
  if (peri_pool_put(server->pool, job) != 0) {
    peri_job_free(job);
    refuse(server, call);
    return;
  }
  // From here on an executor may run it; what follows is only the home's.
  call->state = PERI_CALL_HANDED;
  call->handed = job;
  peri_block_unref(call->block);
  call->block = NULL;
  call->body = call->attachments = (peri_bytes){NULL, 0};
  peri_list_push(&server->jobs, &job->of_home);
  uint64_t now = server->loop->now_ns;
  uint64_t left = call->deadline_ns > now ? call->deadline_ns - now : 0;
  peri_loop_arm(server->loop, &job->deadline, (left + 1999999u) / 1000000u);
}

void peri_job_cancel(peri_server *server, peri_call *call, int code) {
  peri_job *job = call->handed;
  atomic_store(&job->cancelled, code);
  if (peri_pool_withdraw(server->pool, job, code)) {
    leave_home(job);
    peri_job_free(job);
    server->dropped++;
    peri_call_release(server, call);
  }
}

void peri_jobs_forget(peri_server *server) {
  while (!peri_list_empty(&server->jobs)) {
    peri_job *job = peri_container(server->jobs.next, peri_job, of_home);
    leave_home(job);
    job->server = NULL;
  }
}
