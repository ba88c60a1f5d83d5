// SPDX-License-Identifier: MIT
// Names of collections, maps and arrays: how Java calls them, how Hessian does (which is what a
// value's class is called here), and the short forms on the wire.
#include "protocol/serializer/protostuff/names.h"

#include <string.h>

// What Protostuff knows by the last part of its name alone. The interfaces have no other form, as
// Java would try to make one.
static const struct {
  const char *name;
  bool concurrent;  // of java.util.concurrent, not of java.util
} known[] = {
    {"ArrayList", false},
    {"LinkedList", false},
    {"HashSet", false},
    {"LinkedHashSet", false},
    {"TreeSet", false},
    {"HashMap", false},
    {"LinkedHashMap", false},
    {"TreeMap", false},
    {"WeakHashMap", false},
    {"IdentityHashMap", false},
    {"Hashtable", false},
    {"Properties", false},
    {"Vector", false},
    {"Stack", false},
    {"ArrayDeque", false},
    {"PriorityQueue", false},
    {"Collection", false},
    {"List", false},
    {"Set", false},
    {"SortedSet", false},
    {"NavigableSet", false},
    {"Queue", false},
    {"Deque", false},
    {"Map", false},
    {"SortedMap", false},
    {"NavigableMap", false},
    {"ConcurrentMap", true},
    {"ConcurrentHashMap", true},
    {"ConcurrentNavigableMap", true},
    {"ConcurrentSkipListMap", true},
    {"ConcurrentSkipListSet", true},
    {"CopyOnWriteArrayList", true},
    {"CopyOnWriteArraySet", true},
    {"BlockingQueue", true},
    {"LinkedBlockingQueue", true},
    {"ArrayBlockingQueue", true},
    {"PriorityBlockingQueue", true},
    {"ConcurrentLinkedQueue", true},
    {"BlockingDeque", true},
    {"LinkedBlockingDeque", true},
    {"ConcurrentLinkedDeque", true},
};

static const char package[] = "java.util.";
static const char concurrent[] = "concurrent.";

static bool begins(peri_bytes name, const char *text) {
  size_t len = strlen(text);
  return name.len > len && memcmp(name.ptr, text, len) == 0;
}

static peri_bytes without(peri_bytes name, size_t len) {
  return (peri_bytes){name.ptr + len, name.len - len};
}

static int find(peri_bytes last) {
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    if (peri_bytes_equal(last, peri_bytes_of(known[i].name))) {
      return (int)i;
    }
  }
  return -1;
}

static bool contains(peri_bytes in, const char *text) {
  size_t len = strlen(text);
  for (size_t i = 0; i + len <= in.len; i++) {
    if (memcmp(in.ptr + i, text, len) == 0) {
      return true;
    }
  }
  return false;
}

peri_bytes peri_protostuff_usual_name(peri_bytes name, const char *usual) {
  if (!begins(name, package) || memchr(name.ptr, '$', name.len) == NULL) {
    return name;
  }
  return peri_bytes_of(contains(name, "Set") ? "HashSet" : usual);
}

bool peri_protostuff_in_package(peri_bytes name) {
  return begins(name, package);
}

peri_bytes peri_protostuff_short_name(peri_bytes name) {
  if (!begins(name, package)) {
    return name;
  }
  peri_bytes last = without(name, sizeof package - 1);
  bool further = begins(last, concurrent);
  last = further ? without(last, sizeof concurrent - 1) : last;
  int at = find(last);
  return at >= 0 && known[at].concurrent == further ? last : name;
}

static bool join(peri_protostuff_name *out, const char *first, const char *second,
                 peri_bytes last) {
  const peri_bytes parts[] = {peri_bytes_of(first), peri_bytes_of(second), last};
  for (size_t i = 0; i < 3; i++) {
    if (out->len + parts[i].len > sizeof out->text) {
      return false;
    }
    memcpy(out->text + out->len, parts[i].ptr, parts[i].len);
    out->len += parts[i].len;
  }
  return true;
}

bool peri_protostuff_full_name(peri_bytes name, peri_protostuff_name *out) {
  int at = find(name);
  out->len = 0;
  return join(out, at >= 0 ? package : "", at >= 0 && known[at].concurrent ? concurrent : "", name);
}

// ---- arrays -------------------------------------------------------------------------------------

bool peri_protostuff_array_name(peri_bytes component, uint64_t dimensions,
                                peri_protostuff_name *out) {
  if (dimensions == 0 || dimensions >= sizeof out->text) {
    return false;
  }
  component = peri_hessian_component(component);
  memset(out->text, '[', (size_t)dimensions);
  out->len = (size_t)dimensions;
  return join(out, "", "", component);
}

peri_bytes peri_protostuff_component(peri_bytes name, uint32_t *dimensions) {
  *dimensions = 0;
  while (name.len != 0 && name.ptr[0] == '[') {
    name = without(name, 1);
    ++*dimensions;
  }
  return peri_java_component(name);
}

static const struct {
  const char *name;  // of the component
  uint32_t dimensions;
  uint32_t id;
  peri_java_type type;
} inlined[] = {
    {"boolean", 1, 0, {.kind = PERI_JAVA_BOOLEAN}},
    {"char", 1, 2, {.kind = PERI_JAVA_CHAR}},
    {"short", 1, 3, {.kind = PERI_JAVA_SHORT}},
    {"int", 1, 4, {.kind = PERI_JAVA_INT}},
    {"long", 1, 5, {.kind = PERI_JAVA_LONG}},
    {"float", 1, 6, {.kind = PERI_JAVA_FLOAT}},
    {"double", 1, 7, {.kind = PERI_JAVA_DOUBLE}},
    {"java.lang.Boolean", 1, 8, {.kind = PERI_JAVA_BOOLEAN}},
    {"java.lang.Character", 1, 10, {.kind = PERI_JAVA_CHAR}},
    {"java.lang.Short", 1, 11, {.kind = PERI_JAVA_SHORT}},
    {"java.lang.Integer", 1, 12, {.kind = PERI_JAVA_INT}},
    {"java.lang.Long", 1, 13, {.kind = PERI_JAVA_LONG}},
    {"java.lang.Float", 1, 14, {.kind = PERI_JAVA_FLOAT}},
    {"java.lang.Double", 1, 15, {.kind = PERI_JAVA_DOUBLE}},
    {"java.lang.String", 1, 16, {.kind = PERI_JAVA_STRING}},
    {"byte", 2, 18, {.kind = PERI_JAVA_BYTES}},
    {"java.math.BigDecimal", 1, 19, {.kind = PERI_JAVA_DECIMAL}},
    {"java.math.BigInteger", 1, 20, {.kind = PERI_JAVA_BIGINT}},
    {"java.util.Date", 1, 21, {.kind = PERI_JAVA_DATE}},
};

const peri_java_type *peri_protostuff_inlined(peri_bytes component, uint32_t dimensions,
                                              uint32_t *id) {
  for (size_t i = 0; i < sizeof inlined / sizeof inlined[0]; i++) {
    if (inlined[i].dimensions == dimensions &&
        peri_bytes_equal(component, peri_bytes_of(inlined[i].name))) {
      *id = inlined[i].id;
      return &inlined[i].type;
    }
  }
  return NULL;
}

bool peri_protostuff_inlined_name(uint64_t id, peri_protostuff_name *out) {
  for (size_t i = 0; i < sizeof inlined / sizeof inlined[0]; i++) {
    if (inlined[i].id == id) {
      return peri_protostuff_array_name(peri_bytes_of(inlined[i].name), inlined[i].dimensions, out);
    }
  }
  return false;
}
