// SPDX-License-Identifier: MIT
#include "process/admit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/limit.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"

enum { BUCKETS = 4096 };

// An address that has connections. IPv4 is kept as IPv6, so that both ways in count together.
typedef struct peer {
  peri_list link;  // in its bucket
  uint8_t address[16];
  uint32_t count;
} peer;

struct peri_admission {
  pthread_mutex_t lock;
  peri_admit_limits limits;
  uint32_t count;
  uint32_t of_listener[PERI_ADMIT_LISTENERS];
  peri_list buckets[BUCKETS];
};

struct peri_ticket {
  peri_admission *admission;
  peer *from;  // NULL for unix sockets
  int listener;
};

peri_admission *peri_admission_new(void) {
  peri_admission *admission = peri_calloc(1, sizeof *admission);
  pthread_mutex_init(&admission->lock, NULL);
  admission->limits = (peri_admit_limits){1000000, 1000000, 65536};
  for (int i = 0; i < BUCKETS; i++) {
    peri_list_init(&admission->buckets[i]);
  }
  return admission;
}

void peri_admission_free(peri_admission *admission) {
  if (admission->count != 0) {
    return;  // of a VM that was left as it is; see worker.c
  }
  pthread_mutex_destroy(&admission->lock);
  free(admission);
}

void peri_admission_set(peri_admission *admission, const peri_admit_limits *limits) {
  pthread_mutex_lock(&admission->lock);
  admission->limits = *limits;
  pthread_mutex_unlock(&admission->lock);
}

uint32_t peri_admission_count(peri_admission *admission) {
  pthread_mutex_lock(&admission->lock);
  uint32_t count = admission->count;
  pthread_mutex_unlock(&admission->lock);
  return count;
}

static bool peer_address(int fd, uint8_t address[16]) {
  struct sockaddr_storage from = {0};
  socklen_t size = sizeof from;
  if (getpeername(fd, (struct sockaddr *)&from, &size) != 0) {
    return false;
  }
  if (from.ss_family == AF_INET) {
    memset(address, 0, 10);
    memset(address + 10, 0xff, 2);
    memcpy(address + 12, &((struct sockaddr_in *)&from)->sin_addr, 4);
    return true;
  }
  if (from.ss_family == AF_INET6) {
    memcpy(address, &((struct sockaddr_in6 *)&from)->sin6_addr, 16);
    return true;
  }
  return false;
}

static peri_list *bucket_of(peri_admission *admission, const uint8_t address[16]) {
  uint32_t hash = 2166136261u;
  for (int i = 0; i < 16; i++) {
    hash = (hash ^ address[i]) * 16777619u;
  }
  return &admission->buckets[hash % BUCKETS];
}

static peer *find_peer(peri_list *bucket, const uint8_t address[16]) {
  for (peri_list *n = bucket->next; n != bucket; n = n->next) {
    peer *it = peri_container(n, peer, link);
    if (memcmp(it->address, address, 16) == 0) {
      return it;
    }
  }
  return NULL;
}

static peer *count_peer(peri_list *bucket, peer *it, const uint8_t address[16]) {
  if (it == NULL) {
    it = peri_calloc(1, sizeof *it);
    memcpy(it->address, address, 16);
    peri_list_push(bucket, &it->link);
  }
  it->count++;
  return it;
}

// The limit that one connection more would exceed, PERI_LIMIT_LAST for none.
static peri_limit exceeded(const peri_admission *admission, int listener, const peer *from) {
  const peri_admit_limits *limits = &admission->limits;
  if (admission->count >= limits->connections) {
    return PERI_LIMIT_CONNECTIONS;
  } else if (admission->of_listener[listener] >= limits->per_listener) {
    return PERI_LIMIT_CONNECTIONS_PER_LISTENER;
  } else if (from != NULL && from->count >= limits->per_peer) {
    return PERI_LIMIT_CONNECTIONS_PER_PEER;
  }
  return PERI_LIMIT_LAST;
}

static void complain(peri_limit limit, const char *url, const uint8_t *address) {
  char text[INET6_ADDRSTRLEN] = "unix";
  uint64_t hits;
  if (address != NULL) {
    bool mapped = IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)(const void *)address);
    inet_ntop(mapped ? AF_INET : AF_INET6, mapped ? address + 12 : address, text, sizeof text);
  }
  peri_limit_hit(limit);
  peri_log(PERI_LOG_WARN, "ACCEPT-LIMIT", "%s: a connection from %s was closed: %s is reached", url,
           text, peri_limit_at(limit, &hits));
}

peri_ticket *peri_admit(peri_admission *admission, int fd, int listener, const char *url) {
  uint8_t address[16];
  bool known = peer_address(fd, address);
  pthread_mutex_lock(&admission->lock);
  peri_list *bucket = known ? bucket_of(admission, address) : NULL;
  peer *from = known ? find_peer(bucket, address) : NULL;
  peri_limit limit = exceeded(admission, listener, from);
  if (limit == PERI_LIMIT_LAST) {
    from = known ? count_peer(bucket, from, address) : NULL;
    admission->count++;
    admission->of_listener[listener]++;
  }
  pthread_mutex_unlock(&admission->lock);
  if (limit != PERI_LIMIT_LAST) {
    complain(limit, url, known ? address : NULL);
    return NULL;
  }
  peri_ticket *ticket = peri_malloc(sizeof *ticket);
  *ticket = (peri_ticket){admission, from, listener};
  return ticket;
}

void peri_admit_end(void *arg) {
  peri_ticket *ticket = arg;
  peri_admission *admission = ticket->admission;
  pthread_mutex_lock(&admission->lock);
  admission->count--;
  admission->of_listener[ticket->listener]--;
  if (ticket->from != NULL && --ticket->from->count == 0) {
    peri_list_remove(&ticket->from->link);
    free(ticket->from);
  }
  pthread_mutex_unlock(&admission->lock);
  free(ticket);
}
