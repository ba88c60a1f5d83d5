// SPDX-License-Identifier: MIT
// What a process serves, as C sees it: exporters by (interface, alias), methods by name. The chain of
// a method is a number that only the Lua adapter understands. A table belongs to one VM; the gates
// that limit concurrency are shared by the process.
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/histogram.h"
#include "protocol/sink.h"

// A process-wide count of calls in progress, interned by name and never freed.
typedef struct peri_gate {
  _Atomic uint32_t active;
  char *name;  // owned
  struct peri_gate *next;
} peri_gate;

// Any thread. Borrowed for ever.
peri_gate *peri_gate_of(const char *name);

// What each call touches comes first and fills one line of the cache, the name follows in the same
// piece of memory: a service of a thousand methods has them all in use.
typedef struct peri_method {
  uint32_t hash;
  int16_t arity;  // arguments the chain takes as values, -1 = in one table
  uint8_t name_len;
  bool body;            // the handler takes the undecoded body
  bool pooled;          // executors run it
  bool open;            // false once it is exported no more: calls that wait for it are refused
  int chain;            // of the Lua adapter, -1 while it is not open
  uint32_t mid;         // of the Lua adapter: its number of the method
  uint32_t generation;  // of the scripts the chain is from, 0 = the library's own
  uint32_t timeout_ms;  // longest a call may take, 0 = what the caller says
  uint32_t active;      // counters of this worker; read by others without a lock
  uint64_t calls;
  uint64_t busy_ns;  // sum of the time from arrival to reply
  peri_gate *gate;   // NULL without a limit
  struct peri_exporter *exporter;
  peri_histogram *took;  // us from arrival to reply, of late; owned, NULL before the first reply
  uint64_t since;        // `calls` when it got its chain
  uint64_t errors;
  uint64_t rejected;
  uint32_t concurrency;  // most calls at once in the process, 0 = no limit
  char *returns;         // owned: what Java calls the declared result; NULL = nothing is declared
  char name[];
} peri_method;

typedef struct peri_exporter {
  uint32_t id;
  char *iface;    // owned
  char *alias;    // owned
  uint8_t int64;  // peri_int64_mode of the Lua adapter
  const struct peri_serializer
      *serializer;  // the one of its id that is used here; NULL = the first
  bool open;        // false after unexport: calls are refused, those in progress finish
  bool ramped;      // peers that are not ours are told that it has nearly ended its warm-up
  uint32_t count, mask;
  peri_method **table;  // open addressing, owned
  peri_method *last;    // found last: most services have one method that is called most
  struct peri_exporter *next;
} peri_exporter;

typedef struct peri_exporters {
  peri_exporter *first;
  uint32_t next_id;
  uint32_t version;  // changes with every add and remove; sessions remember it
} peri_exporters;

// Returns the exporter, owned by the table and open, or NULL when (iface, alias) is taken. One that
// was removed comes back as it was, with its methods closed.
peri_exporter *peri_exporter_add(peri_exporters *table, const char *iface, const char *alias);
// The open exporter of that id, or NULL.
peri_exporter *peri_exporter_get(const peri_exporters *table, uint32_t id);
// The method of that name, added when there is none; its owner opens it. Returns borrowed from the
// exporter.
peri_method *peri_exporter_method(peri_exporter *exporter, const char *name, size_t len);
// Marks it and its methods closed and takes it out of look-ups; memory stays until the table ends,
// because calls in progress and sessions point to its methods.
void peri_exporter_remove(peri_exporters *table, uint32_t id);
// Most calls of a method at once, 0 = no limit; those in progress count from now on.
void peri_method_limit(peri_method *method, uint32_t concurrency);
// The open method at `i` of the exporter's table (0 to mask), or NULL.
static inline peri_method *peri_exporter_at(const peri_exporter *exporter, uint32_t i) {
  peri_method *method = exporter->table[i];
  return method != NULL && method->open ? method : NULL;
}
void peri_exporters_fini(peri_exporters *table);

// NULL when unknown. An empty alias matches only an exporter whose alias is empty.
peri_exporter *peri_exporter_find(const peri_exporters *table, peri_bytes iface, peri_bytes alias);
peri_method *peri_method_look_up(peri_exporter *exporter, peri_bytes name);

// Names are short: a call of memcmp takes longer than comparing them.
static inline bool peri_method_is_named(const peri_method *method, peri_bytes name) {
  size_t at = 0;
  uint64_t own, other;
  if (method->name_len != name.len) {
    return false;
  }
  for (; name.len - at >= sizeof own; at += sizeof own) {
    memcpy(&own, method->name + at, sizeof own);
    memcpy(&other, name.ptr + at, sizeof other);
    if (own != other) {
      return false;
    }
  }
  for (; at < name.len; at++) {
    if ((uint8_t)method->name[at] != name.ptr[at]) {
      return false;
    }
  }
  return true;
}

// peri_method_look_up, the method of the last call first.
static inline peri_method *peri_method_find(peri_exporter *exporter, peri_bytes name) {
  peri_method *last = exporter->last;
  return last != NULL && peri_method_is_named(last, name) ? last
                                                          : peri_method_look_up(exporter, name);
}

// False when the method's process-wide limit is reached.
bool peri_method_enter(peri_method *method);
void peri_method_leave(peri_method *method);
void peri_method_begin_histogram(peri_method *method);
// A call was answered `ns` after it had arrived.
static inline void peri_method_answered(peri_method *method, uint64_t ns) {
  method->busy_ns += ns;
  if (__builtin_expect(method->took == NULL, 0)) {
    peri_method_begin_histogram(method);
  }
  peri_histogram_add(method->took, ns / 1000);
}
