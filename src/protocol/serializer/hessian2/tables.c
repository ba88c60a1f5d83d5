// SPDX-License-Identifier: MIT
#include "protocol/serializer/hessian2/tables.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"

enum { KEEP = 4096, SEEN_MIN = 64 };  // entries of any table that are kept for the next body

#define FORGOTTEN UINT32_MAX  // a number

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static _Thread_local hessian_tables *mine;  // [0] reading, [1] writing

static void release(hessian_tables *t) {
  free(t->defs);
  free(t->fields);
  free(t->types);
  free(t->seen);
  free(t->labels);
  for (size_t i = 0; i < HESSIAN_KNOWN; i++) {
    free(t->known[i]);
  }
  for (size_t i = 0; i < HESSIAN_LEARNED; i++) {
    free(t->learned[i]);
  }
  peri_buf_fini(&t->text);
}

static void thread_ends(void *both) {
  hessian_tables *tables = both;
  release(&tables[0]);
  release(&tables[1]);
  free(tables);
}

static void make_key(void) {
  peri_check(pthread_key_create(&key, thread_ends) == 0);
}

static hessian_tables *both(void) {
  if (mine == NULL) {
    pthread_once(&once, make_key);
    mine = peri_calloc(2, sizeof *mine);
    peri_check(pthread_setspecific(key, mine) == 0);
  }
  return mine;
}

hessian_tables *peri_hessian_reading(void) {
  return &both()[0];
}

hessian_tables *peri_hessian_writing(void) {
  return &both()[1];
}

uint64_t peri_hessian_tables_begin(hessian_tables *t) {
  uint64_t stamp = t->stamp + 1;
  if (t->def_cap > KEEP || t->field_cap > KEEP || t->type_cap > KEEP || t->seen_cap > KEEP ||
      t->label_cap > KEEP || t->text.cap > KEEP * 16) {
    uint32_t round = t->round;
    release(t);
    memset(t, 0, sizeof *t);
    t->round = round;
  }
  t->stamp = stamp;
  t->def_count = t->field_count = t->type_count = 0;
  t->seen_count = t->label_count = 0;
  t->text.len = 0;
  t->number = 0;
  t->kept = NULL;
  t->round++;
  return stamp;
}

static void *room(void *rows, uint32_t count, uint32_t *cap, size_t size) {
  if (count < *cap) {
    return rows;
  }
  *cap = *cap == 0 ? 16 : *cap * 2;
  return peri_realloc(rows, *cap * size);
}

bool peri_hessian_add_def(hessian_tables *t, const hessian_def *def) {
  if (t->def_count == PERI_HESSIAN_CLASSES_MAX) {
    return false;
  }
  t->defs = room(t->defs, t->def_count, &t->def_cap, sizeof *t->defs);
  t->defs[t->def_count++] = *def;
  return true;
}

bool peri_hessian_add_field(hessian_tables *t, peri_bytes name) {
  if (t->field_count == PERI_HESSIAN_FIELDS_MAX) {
    return false;
  }
  t->fields = room(t->fields, t->field_count, &t->field_cap, sizeof *t->fields);
  t->fields[t->field_count++] = name;
  return true;
}

bool peri_hessian_add_type(hessian_tables *t, peri_bytes name) {
  if (t->type_count == PERI_HESSIAN_TYPES_MAX) {
    return false;
  }
  t->types = room(t->types, t->type_count, &t->type_cap, sizeof *t->types);
  t->types[t->type_count++] = name;
  return true;
}

static hessian_identity *place(const hessian_tables *t, const void *what) {
  uint64_t hash = (uint64_t)(uintptr_t)what * 0x9E3779B97F4A7C15u;
  for (uint32_t i = (uint32_t)(hash >> 32);; i++) {
    hessian_identity *row = &t->seen[i & (t->seen_cap - 1)];
    if (row->round != t->round || row->what == what) {
      return row;
    }
  }
}

static void grow_seen(hessian_tables *t) {
  hessian_identity *old = t->seen;
  uint32_t count = t->seen_cap;
  t->seen_cap = count == 0 ? SEEN_MIN : count * 2;
  t->seen = peri_calloc(t->seen_cap, sizeof *t->seen);
  for (uint32_t i = 0; i < count; i++) {
    if (old[i].round == t->round) {
      *place(t, old[i].what) = old[i];
    }
  }
  free(old);
}

uint32_t peri_hessian_number_of(hessian_tables *t, const void *what, uint32_t number) {
  if (t->seen_count * 2 >= t->seen_cap) {
    grow_seen(t);
  }
  hessian_identity *row = place(t, what);
  bool known = row->round == t->round;
  if (known && row->number != FORGOTTEN) {
    return row->number;
  }
  *row = (hessian_identity){what, number, t->round};
  t->seen_count += known ? 0 : 1;
  return number;
}

void peri_hessian_forget(hessian_tables *t, const void *what) {
  hessian_identity *row = place(t, what);
  if (row->round == t->round) {
    row->number = FORGOTTEN;
  }
}

void peri_hessian_set_label(hessian_tables *t, uint32_t label, uint32_t number) {
  while (t->label_count <= label) {
    t->labels = room(t->labels, t->label_count, &t->label_cap, sizeof *t->labels);
    t->labels[t->label_count++] = UINT32_MAX;
  }
  t->labels[label] = number;
}

peri_bytes peri_hessian_keep_name(hessian_tables *t, const char *name, size_t len) {
  peri_bytes kept = {(const uint8_t *)(uintptr_t)t->text.len, len};
  peri_buf_add(&t->text, name, len);
  return kept;
}
