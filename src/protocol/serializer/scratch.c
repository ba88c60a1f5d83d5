// SPDX-License-Identifier: MIT
#include "protocol/serializer/scratch.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"

enum { KEEP = 64 * 1024 };

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static _Thread_local peri_buf *mine;

static void thread_ends(void *scratch) {
  peri_buf_fini(scratch);
  free(scratch);
}

static void make_key(void) {
  peri_check(pthread_key_create(&key, thread_ends) == 0);
}

peri_buf *peri_scratch_get(void) {
  if (mine == NULL) {
    pthread_once(&once, make_key);
    mine = peri_calloc(1, sizeof *mine);
    peri_check(pthread_setspecific(key, mine) == 0);
  }
  if (mine->cap > KEEP) {
    peri_buf_fini(mine);
  }
  mine->len = 0;
  return mine;
}
