// SPDX-License-Identifier: MIT
// The sessions of a connection. There are few, and calls come in runs on the same one: a list with
// the last used in front.
#include <stdlib.h>

#include "base/limit.h"
#include "base/mem.h"
#include "protocol/conn.h"
#include "protocol/counters.h"

peri_session *peri_conn_session(peri_conn *conn, uint32_t id) {
  for (peri_list *node = conn->sessions.next; node != &conn->sessions; node = node->next) {
    peri_session *session = peri_container(node, peri_session, link);
    if (session->id == id && !session->evicted) {
      if (conn->sessions.next != node) {
        peri_list_remove(node);
        peri_list_push(conn->sessions.next, node);  // before the first: in front
      }
      return session;
    }
  }
  return NULL;
}

peri_session *peri_conn_session_new(peri_conn *conn, uint32_t id, peri_bytes iface,
                                    peri_bytes alias) {
  peri_session *old = peri_conn_session(conn, id);
  if (old != NULL) {
    peri_conn_session_free(conn, old);
  }
  if (conn->session_count >= conn->limits->sessions) {
    peri_limit_hit(PERI_LIMIT_SESSIONS_PER_CONNECTION);
    return NULL;
  }
  peri_session *session = (peri_session *)peri_calloc(1, sizeof *session);
  session->id = id;
  session->iface = peri_strndup((const char *)iface.ptr, iface.len);
  session->alias = peri_strndup((const char *)alias.ptr, alias.len);
  session->iface_len = (uint32_t)iface.len;
  session->alias_len = (uint32_t)alias.len;
  peri_list_push(conn->sessions.next, &session->link);
  conn->session_count++;
  conn->settled = true;
  peri_protocol_count(PERI_COUNT_SESSIONS);
  return session;
}

void peri_conn_sessions_mark(peri_conn *conn) {
  if (conn->calls_open == 0 || conn->handler->mark_sessions == NULL) {
    return;
  }
  for (peri_list *node = conn->sessions.next; node != &conn->sessions; node = node->next) {
    peri_container(node, peri_session, link)->used = false;
  }
  conn->handler->mark_sessions(conn->arg, conn);
}

void peri_conn_session_free(peri_conn *conn, peri_session *session) {
  if (conn->channel != NULL && !session->evicted && conn->handler->session_ended != NULL) {
    conn->handler->session_ended(conn->arg, conn, session);
  }
  if (conn->calls_open != 0 && (!session->evicted || session->used)) {
    session->evicted = session->used = true;  // until somebody looks
    return;
  }
  peri_list_remove(&session->link);
  conn->session_count--;
  free(session->iface);
  free(session->alias);
  free(session->identity);
  peri_buf_fini(&session->attributes);
  free(session);
}
