// SPDX-License-Identifier: MIT
#include "entry/exporter.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

static peri_gate *gates;
static pthread_mutex_t gates_lock = PTHREAD_MUTEX_INITIALIZER;

peri_gate *peri_gate_of(const char *name) {
  pthread_mutex_lock(&gates_lock);
  peri_gate *gate = gates;
  while (gate != NULL && strcmp(gate->name, name) != 0) {
    gate = gate->next;
  }
  if (gate == NULL) {
    gate = peri_calloc(1, sizeof *gate);
    gate->name = peri_strdup(name);
    gate->next = gates;
    gates = gate;
  }
  pthread_mutex_unlock(&gates_lock);
  return gate;
}

// Method names are chosen by the operator, not by peers, so that a plain FNV-1a cannot be flooded.
static uint32_t hash_of(const uint8_t *text, size_t len) {
  uint32_t hash = 2166136261u;
  for (size_t i = 0; i < len; i++) {
    hash = (hash ^ text[i]) * 16777619u;
  }
  return hash;
}

peri_exporter *peri_exporter_find(const peri_exporters *table, peri_bytes iface, peri_bytes alias) {
  for (peri_exporter *e = table->first; e != NULL; e = e->next) {
    if (e->open && peri_bytes_equal(peri_bytes_of(e->iface), iface) &&
        peri_bytes_equal(peri_bytes_of(e->alias), alias)) {
      return e;
    }
  }
  return NULL;
}

static peri_exporter *closed_of(const peri_exporters *table, const char *iface, const char *alias) {
  for (peri_exporter *e = table->first; e != NULL; e = e->next) {
    if (!e->open && strcmp(e->iface, iface) == 0 && strcmp(e->alias, alias) == 0) {
      return e;
    }
  }
  return NULL;
}

peri_exporter *peri_exporter_get(const peri_exporters *table, uint32_t id) {
  for (peri_exporter *e = table->first; e != NULL; e = e->next) {
    if (e->id == id && e->open) {
      return e;
    }
  }
  return NULL;
}

peri_exporter *peri_exporter_add(peri_exporters *table, const char *iface, const char *alias) {
  if (peri_exporter_find(table, peri_bytes_of(iface), peri_bytes_of(alias)) != NULL) {
    return NULL;
  }
  peri_exporter *e = closed_of(table, iface, alias);
  if (e != NULL) {
    e->id = ++table->next_id;
    e->open = true;
    table->version++;
    return e;
  }
  e = peri_calloc(1, sizeof *e);
  e->id = ++table->next_id;
  e->iface = peri_strdup(iface);
  e->alias = peri_strdup(alias);
  e->open = true;
  e->mask = 15;
  e->table = peri_calloc(e->mask + 1, sizeof(peri_method *));
  e->next = table->first;
  table->first = e;
  table->version++;
  return e;
}

static void place(peri_exporter *exporter, peri_method *method) {
  uint32_t i = method->hash & exporter->mask;
  while (exporter->table[i] != NULL) {
    i = (i + 1) & exporter->mask;
  }
  exporter->table[i] = method;
}

static void grow(peri_exporter *exporter) {
  peri_method **old = exporter->table;
  uint32_t size = exporter->mask + 1;
  exporter->mask = size * 2 - 1;
  exporter->table = peri_calloc(size * 2, sizeof(peri_method *));
  for (uint32_t i = 0; i < size; i++) {
    if (old[i] != NULL) {
      place(exporter, old[i]);
    }
  }
  free(old);
}

peri_method *peri_exporter_method(peri_exporter *exporter, const char *name, size_t len) {
  peri_method *method = peri_method_find(exporter, (peri_bytes){(const uint8_t *)name, len});
  if (method != NULL) {
    return method;
  }
  peri_check(len <= UINT8_MAX);
  method = peri_calloc_lines(sizeof *method + len + 1);
  method->chain = -1;
  memcpy(method->name, name, len);
  method->name_len = (uint8_t)len;
  method->hash = hash_of((const uint8_t *)name, len);
  method->exporter = exporter;
  if (++exporter->count * 2 > exporter->mask) {
    grow(exporter);
  }
  place(exporter, method);
  return method;
}

peri_method *peri_method_look_up(peri_exporter *exporter, peri_bytes name) {
  uint32_t hash = hash_of(name.ptr, name.len);
  for (uint32_t i = hash & exporter->mask;; i = (i + 1) & exporter->mask) {
    peri_method *method = exporter->table[i];
    if (method == NULL) {
      return NULL;
    }
    if (method->hash == hash && peri_method_is_named(method, name)) {
      exporter->last = method;
      return method;
    }
  }
}

void peri_exporter_remove(peri_exporters *table, uint32_t id) {
  peri_exporter *e = peri_exporter_get(table, id);
  if (e == NULL) {
    return;
  }
  e->open = false;
  table->version++;
  for (uint32_t i = 0; i <= e->mask; i++) {
    if (e->table[i] != NULL) {
      e->table[i]->open = false;
    }
  }
}

void peri_method_limit(peri_method *method, uint32_t concurrency) {
  method->concurrency = concurrency;
  if (concurrency != 0 && method->gate == NULL) {
    const peri_exporter *e = method->exporter;
    size_t size = strlen(e->iface) + strlen(e->alias) + method->name_len + 3;
    char *name = peri_malloc(size);
    snprintf(name, size, "%s/%s/%s", e->iface, e->alias, method->name);
    method->gate = peri_gate_of(name);
    free(name);
    atomic_fetch_add_explicit(&method->gate->active, method->active, memory_order_relaxed);
  } else if (concurrency == 0 && method->gate != NULL) {
    atomic_fetch_sub_explicit(&method->gate->active, method->active, memory_order_relaxed);
    method->gate = NULL;
  }
}

void peri_method_begin_histogram(peri_method *method) {
  method->took = peri_calloc(1, sizeof *method->took);
}

static void exporter_free(peri_exporter *exporter) {
  for (uint32_t i = 0; i <= exporter->mask; i++) {
    if (exporter->table[i] != NULL) {
      free(exporter->table[i]->returns);
      free(exporter->table[i]->took);
      free(exporter->table[i]);
    }
  }
  free(exporter->table);
  free(exporter->iface);
  free(exporter->alias);
  free(exporter);
}

void peri_exporters_fini(peri_exporters *table) {
  while (table->first != NULL) {
    peri_exporter *e = table->first;
    table->first = e->next;
    exporter_free(e);
  }
}

bool peri_method_enter(peri_method *method) {
  if (method->gate != NULL &&
      atomic_fetch_add_explicit(&method->gate->active, 1, memory_order_relaxed) >=
          method->concurrency) {
    atomic_fetch_sub_explicit(&method->gate->active, 1, memory_order_relaxed);
    return false;
  }
  method->active++;
  return true;
}

void peri_method_leave(peri_method *method) {
  if (method->gate != NULL) {
    atomic_fetch_sub_explicit(&method->gate->active, 1, memory_order_relaxed);
  }
  method->active--;
}
