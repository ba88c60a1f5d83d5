// SPDX-License-Identifier: MIT
#include "protocol/classes.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"

enum { SLOTS = 2 * PERI_CLASSES_MAX, DEPTH_MAX = 16 };

// Open addressing; rows are only ever added or exchanged for one of the same name.
static _Atomic(const peri_class *) slots[SLOTS];
static uint32_t count;
static pthread_mutex_t adding = PTHREAD_MUTEX_INITIALIZER;

static uint32_t hash_of(peri_bytes name) {
  uint32_t hash = 2166136261u;
  for (size_t i = 0; i < name.len; i++) {
    hash = (hash ^ name.ptr[i]) * 16777619u;
  }
  return hash;
}

// Where the name is, or would be.
static uint32_t slot_of(peri_bytes name) {
  uint32_t i = hash_of(name) % SLOTS;
  const peri_class *row;
  while ((row = atomic_load_explicit(&slots[i], memory_order_acquire)) != NULL &&
         !peri_bytes_equal(row->name, name)) {
    i = (i + 1) % SLOTS;
  }
  return i;
}

const peri_class *peri_class_find(peri_bytes name) {
  return atomic_load_explicit(&slots[slot_of(name)], memory_order_acquire);
}

int peri_class_index(const peri_class *class, peri_bytes name) {
  for (uint32_t i = 0; i < class->count; i++) {
    if (peri_bytes_equal(class->names[i], name)) {
      return (int)i;
    }
  }
  return -1;
}

// ---- types --------------------------------------------------------------------------------------

static const struct {
  const char *name;
  peri_java_kind kind;
  bool primitive;
} known[] = {
    {"boolean", PERI_JAVA_BOOLEAN, true},
    {"byte", PERI_JAVA_BYTE, true},
    {"char", PERI_JAVA_CHAR, true},
    {"short", PERI_JAVA_SHORT, true},
    {"int", PERI_JAVA_INT, true},
    {"long", PERI_JAVA_LONG, true},
    {"float", PERI_JAVA_FLOAT, true},
    {"double", PERI_JAVA_DOUBLE, true},
    {"java.lang.Boolean", PERI_JAVA_BOOLEAN, false},
    {"java.lang.Byte", PERI_JAVA_BYTE, false},
    {"java.lang.Character", PERI_JAVA_CHAR, false},
    {"java.lang.Short", PERI_JAVA_SHORT, false},
    {"java.lang.Integer", PERI_JAVA_INT, false},
    {"java.lang.Long", PERI_JAVA_LONG, false},
    {"java.lang.Float", PERI_JAVA_FLOAT, false},
    {"java.lang.Double", PERI_JAVA_DOUBLE, false},
    {"java.lang.String", PERI_JAVA_STRING, false},
    {"java.math.BigDecimal", PERI_JAVA_DECIMAL, false},
    {"java.math.BigInteger", PERI_JAVA_BIGINT, false},
    {"java.util.Date", PERI_JAVA_DATE, false},
    {"java.util.Collection", PERI_JAVA_LIST, false},
    {"java.util.List", PERI_JAVA_LIST, false},
    {"java.util.ArrayList", PERI_JAVA_LIST, false},
    {"java.util.LinkedList", PERI_JAVA_LIST, false},
    {"java.util.Set", PERI_JAVA_LIST, false},
    {"java.util.HashSet", PERI_JAVA_LIST, false},
    {"java.util.LinkedHashSet", PERI_JAVA_LIST, false},
    {"java.util.TreeSet", PERI_JAVA_LIST, false},
    {"java.util.SortedSet", PERI_JAVA_LIST, false},
    {"java.util.NavigableSet", PERI_JAVA_LIST, false},
    {"java.util.EnumSet", PERI_JAVA_LIST, false},
    {"java.util.Queue", PERI_JAVA_LIST, false},
    {"java.util.Deque", PERI_JAVA_LIST, false},
    {"java.util.ArrayDeque", PERI_JAVA_LIST, false},
    {"java.util.PriorityQueue", PERI_JAVA_LIST, false},
    {"java.util.Vector", PERI_JAVA_LIST, false},
    {"java.util.Stack", PERI_JAVA_LIST, false},
    {"java.util.concurrent.CopyOnWriteArrayList", PERI_JAVA_LIST, false},
    {"java.util.concurrent.CopyOnWriteArraySet", PERI_JAVA_LIST, false},
    {"java.util.concurrent.ConcurrentSkipListSet", PERI_JAVA_LIST, false},
    {"java.util.concurrent.BlockingQueue", PERI_JAVA_LIST, false},
    {"java.util.concurrent.LinkedBlockingQueue", PERI_JAVA_LIST, false},
    {"java.util.concurrent.ArrayBlockingQueue", PERI_JAVA_LIST, false},
    {"java.util.concurrent.PriorityBlockingQueue", PERI_JAVA_LIST, false},
    {"java.util.concurrent.ConcurrentLinkedQueue", PERI_JAVA_LIST, false},
    {"java.util.concurrent.BlockingDeque", PERI_JAVA_LIST, false},
    {"java.util.concurrent.LinkedBlockingDeque", PERI_JAVA_LIST, false},
    {"java.util.concurrent.ConcurrentLinkedDeque", PERI_JAVA_LIST, false},
    {"java.util.Map", PERI_JAVA_MAP, false},
    {"java.util.HashMap", PERI_JAVA_MAP, false},
    {"java.util.LinkedHashMap", PERI_JAVA_MAP, false},
    {"java.util.TreeMap", PERI_JAVA_MAP, false},
    {"java.util.concurrent.ConcurrentHashMap", PERI_JAVA_MAP, false},
    {"java.util.SortedMap", PERI_JAVA_MAP, false},
    {"java.util.NavigableMap", PERI_JAVA_MAP, false},
    {"java.util.EnumMap", PERI_JAVA_MAP, false},
    {"java.util.WeakHashMap", PERI_JAVA_MAP, false},
    {"java.util.IdentityHashMap", PERI_JAVA_MAP, false},
    {"java.util.Hashtable", PERI_JAVA_MAP, false},
    {"java.util.Properties", PERI_JAVA_MAP, false},
    {"java.util.concurrent.ConcurrentMap", PERI_JAVA_MAP, false},
    {"java.util.concurrent.ConcurrentNavigableMap", PERI_JAVA_MAP, false},
    {"java.util.concurrent.ConcurrentSkipListMap", PERI_JAVA_MAP, false},
    {"java.lang.Object", PERI_JAVA_ANY, false},
    {"java.lang.Number", PERI_JAVA_ANY, false},
    {"java.io.Serializable", PERI_JAVA_ANY, false},
    {"java.lang.Comparable", PERI_JAVA_ANY, false},
};

static void name_type(peri_java_type *type, peri_bytes name) {
  type->name = name;
  type->kind = name.len == 1 ? PERI_JAVA_ANY : PERI_JAVA_CLASS;  // T, ?
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    if (peri_bytes_equal(name, peri_bytes_of(known[i].name))) {
      type->kind = known[i].kind;
      type->primitive = known[i].primitive;
      return;
    }
  }
}

// The text of a type, which stays; what it consists of is allocated for good.
typedef struct text {
  const uint8_t *at, *end;
  unsigned depth;
} text;

static void skip(text *t) {
  while (t->at < t->end && *t->at == ' ') {
    t->at++;
  }
}

static bool accept(text *t, char what) {
  skip(t);
  if (t->at < t->end && *t->at == (uint8_t)what) {
    t->at++;
    return true;
  }
  return false;
}

static bool is_name(uint8_t byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
         (byte >= '0' && byte <= '9') || byte == '_' || byte == '$' || byte == '.' || byte >= 0x80;
}

static peri_bytes read_name(text *t) {
  skip(t);
  const uint8_t *start = t->at;
  while (t->at < t->end && is_name(*t->at)) {
    t->at++;
  }
  return (peri_bytes){start, (size_t)(t->at - start)};
}

static bool read_type(text *t, peri_java_type *type);

static peri_java_type *read_inner(text *t) {
  peri_java_type *inner = peri_calloc(1, sizeof *inner);
  return read_type(t, inner) ? inner : NULL;
}

static bool read_arguments(text *t, peri_java_type *type) {
  type->first = read_inner(t);
  bool good = type->first != NULL;
  while (good && accept(t, ',')) {
    peri_java_type *more = read_inner(t);
    good = more != NULL;
    type->second = type->second == NULL ? more : type->second;
  }
  return good && accept(t, '>');
}

static bool read_dimensions(text *t, peri_java_type *type) {
  while (accept(t, '[')) {
    if (!accept(t, ']')) {
      return false;
    }
    if (type->kind == PERI_JAVA_BYTE && type->primitive) {
      *type = (peri_java_type){.kind = PERI_JAVA_BYTES, .name = peri_bytes_of("byte[]")};
      continue;
    }
    peri_java_type *element = peri_calloc(1, sizeof *element);
    *element = *type;
    *type = (peri_java_type){.kind = PERI_JAVA_ARRAY, .name = element->name, .first = element};
  }
  return true;
}

static bool read_type(text *t, peri_java_type *type) {
  if (++t->depth > DEPTH_MAX) {
    return false;
  }
  bool wild = accept(t, '?');
  peri_bytes name = read_name(t);
  if (wild && peri_bytes_equal(name, peri_bytes_of("extends"))) {
    name = read_name(t);
  } else if (wild) {
    read_name(t);
    name = peri_bytes_of("java.lang.Object");
  }
  if (name.len == 0) {
    return false;
  }
  name_type(type, name);
  bool good = (!accept(t, '<') || read_arguments(t, type)) && read_dimensions(t, type);
  t->depth--;
  return good;
}

// ---- declarations -------------------------------------------------------------------------------

static peri_bytes copy_of(peri_bytes from) {
  return (peri_bytes){(uint8_t *)peri_strndup((const char *)from.ptr, from.len), from.len};
}

static peri_bytes *copy_all(const peri_bytes *from, uint32_t n) {
  peri_bytes *copy = peri_calloc(n + 1, sizeof *copy);
  for (uint32_t i = 0; i < n; i++) {
    copy[i] = copy_of(from[i]);
  }
  return copy;
}

static bool same_all(const peri_bytes *a, const peri_bytes *b, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) {
    if (!peri_bytes_equal(a[i], b[i])) {
      return false;
    }
  }
  return true;
}

static bool is_same(const peri_class *class, uint32_t n, const peri_bytes *names,
                    const peri_bytes *types) {
  return class->count == n && class->is_enum == (types == NULL) &&
         same_all(class->names, names, n) && (types == NULL || same_all(class->texts, types, n));
}

static int read_types(peri_class *class, const peri_bytes *texts, peri_err *err) {
  peri_java_type *types = peri_calloc(class->count + 1, sizeof *types);
  class->texts = texts;
  class->types = types;
  for (uint32_t i = 0; i < class->count; i++) {
    text t = {.at = texts[i].ptr, .end = texts[i].ptr + texts[i].len};
    bool good = read_type(&t, &types[i]);
    skip(&t);
    if (!good || t.at != t.end) {
      return peri_fail(err, PERI_ECONFIG, "%.*s.%.*s: '%.*s' is no Java type", (int)class->name.len,
                       (const char *)class->name.ptr, (int)class->names[i].len,
                       (const char *)class->names[i].ptr, (int)texts[i].len,
                       (const char *)texts[i].ptr);
    }
  }
  return 0;
}

// What a refused declaration has taken stays taken: it is as rare as mistakes in scripts.
static int declare(peri_bytes name, uint32_t n, const peri_bytes *names, const peri_bytes *types,
                   peri_err *err) {
  uint32_t slot = slot_of(name);
  const peri_class *before = atomic_load_explicit(&slots[slot], memory_order_relaxed);
  if (before != NULL && is_same(before, n, names, types)) {
    return 0;
  }
  if (n > PERI_CLASS_FIELDS_MAX || (before == NULL && count == PERI_CLASSES_MAX)) {
    return peri_fail(err, PERI_ELIMITED, "too many classes are declared, or fields of one");
  }
  peri_class *class = peri_calloc(1, sizeof *class);
  class->name = copy_of(name);
  class->self = (peri_java_type){.kind = PERI_JAVA_CLASS, .name = class->name};
  class->is_enum = types == NULL;
  class->count = n;
  class->names = copy_all(names, n);
  int code = types != NULL ? read_types(class, copy_all(types, n), err) : 0;
  if (code == 0) {
    atomic_store_explicit(&slots[slot], class, memory_order_release);
    count += before == NULL;
  }
  return code;
}

int peri_class_declare(peri_bytes name, uint32_t n, const peri_bytes *names,
                       const peri_bytes *types, peri_err *err) {
  pthread_mutex_lock(&adding);
  int code = declare(name, n, names, types, err);
  pthread_mutex_unlock(&adding);
  return code;
}

// What Hessian calls otherwise than Java.
static const struct {
  const char *java, *hessian;
} renamed[] = {
    {"java.lang.String", "string"},
    {"java.lang.Object", "object"},
    {"java.util.Date", "date"},
};

peri_bytes peri_java_component(peri_bytes name) {
  for (size_t i = 0; i < sizeof renamed / sizeof renamed[0]; i++) {
    if (peri_bytes_equal(name, peri_bytes_of(renamed[i].hessian))) {
      return peri_bytes_of(renamed[i].java);
    }
  }
  return name;
}

peri_bytes peri_hessian_component(peri_bytes name) {
  for (size_t i = 0; i < sizeof renamed / sizeof renamed[0]; i++) {
    if (peri_bytes_equal(name, peri_bytes_of(renamed[i].java))) {
      return peri_bytes_of(renamed[i].hessian);
    }
  }
  return name;
}
