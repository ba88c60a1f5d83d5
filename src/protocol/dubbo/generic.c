// SPDX-License-Identifier: MIT
#include "protocol/dubbo/generic.h"

#include "protocol/classes.h"
#include "protocol/dubbo/moment.h"
#include "protocol/serializer/builtin.h"
#include "protocol/serializer/hessian2/write.h"
#include "protocol/serializer/json.h"
#include "protocol/serializer/json_time.h"
#include "protocol/serializer/scratch.h"

enum { NAME_MAX_BYTES = 512 };

// What the list or map that follows, or is open, becomes.
typedef enum kind {
  AS_IT_IS,
  OBJECT,    // a map with its class
  CONSTANT,  // its name
  MOMENT,    // its text
  PARTS,     // a moment: the map of its parts
} kind;

enum { TOLD_FIELDS = 256 };

// An open list or map. Whose class was declared tells what its fields are: those that are null are
// written when it ends.
typedef struct level {
  const peri_class *class;  // NULL = not known
  uint64_t told[TOLD_FIELDS / 64];
} level;

// Of the encoder at work on this thread, of which there is one at a time.
static _Thread_local level levels[PERI_VALUE_DEPTH_MAX + 1];

typedef struct generic {
  union {
    hessian_writer hessian;
    uint64_t json[PERI_JSON_ENCODER_SIZE / sizeof(uint64_t)];
  } writer;
  peri_sink to;  // of the writer
  bool json;
  peri_err *err;
  const void *identity;  // of the list or map that follows
  kind next;
  kind inside;     // what becomes no list or map of its own, while one is open
  uint32_t depth;  // of the maps in it
  uint32_t open;   // of levels
  bool is_name;    // the value that follows is that of a constant
  bool told;       // and was written
  union {
    peri_json_time time;
    dubbo_moment parts;
  };
  size_t len;  // of the class that follows
  char name[NAME_MAX_BYTES];
} generic;

_Static_assert(sizeof(generic) <= PERI_ENCODER_SIZE, "encoder state must fit");

static bool starts(const char *name, size_t len, const char *with) {
  size_t count = strlen(with);
  return len >= count && memcmp(name, with, count) == 0;
}

static bool ends(const char *name, size_t len, const char *with) {
  size_t count = strlen(with);
  return len >= count && memcmp(name + len - count, with, count) == 0;
}

// ---- scalars --------------------------------------------------------------------------------------

// A value in a constant or a moment that says nothing about it.
static int other(const generic *g) {
  return g->inside == CONSTANT
             ? 0
             : peri_fail(g->err, PERI_EBAD_REQUEST, "the fields of a moment are whole numbers");
}

static int on_null(void *sink) {
  generic *g = sink;
  return g->inside != AS_IT_IS ? other(g) : g->to.ops->null(g->to.self);
}

static int on_boolean(void *sink, bool value) {
  generic *g = sink;
  return g->inside != AS_IT_IS ? other(g) : g->to.ops->boolean(g->to.self, value);
}

static int on_integer(void *sink, int64_t value) {
  generic *g = sink;
  if (g->inside == MOMENT) {
    peri_json_time_value(&g->time, value);
    return 0;
  }
  if (g->inside == PARTS) {
    return dubbo_moment_number(&g->parts, value, g->err);
  }
  return g->inside != AS_IT_IS ? 0 : g->to.ops->integer(g->to.self, value);
}

static int on_uinteger(void *sink, uint64_t value) {
  generic *g = sink;
  return g->inside != AS_IT_IS ? other(g) : g->to.ops->uinteger(g->to.self, value);
}

static int on_number(void *sink, double value) {
  generic *g = sink;
  return g->inside != AS_IT_IS ? other(g) : g->to.ops->number(g->to.self, value);
}

static int on_string(void *sink, const char *text, size_t len) {
  generic *g = sink;
  if (g->inside == CONSTANT && g->is_name && !g->told) {
    g->told = true;
    return g->to.ops->string(g->to.self, text, len);
  }
  if (g->inside == PARTS) {
    return dubbo_moment_text(&g->parts, text, len, g->err);
  }
  return g->inside != AS_IT_IS ? other(g) : g->to.ops->string(g->to.self, text, len);
}

static int on_bytes(void *sink, const uint8_t *data, size_t len) {
  generic *g = sink;
  return g->inside != AS_IT_IS ? other(g) : g->to.ops->bytes(g->to.self, data, len);
}

static int on_cast(void *sink, peri_cast cast) {
  generic *g = sink;
  return g->inside != AS_IT_IS || g->json ? 0 : g->to.ops->graph->cast(g->to.self, cast);
}

// ---- classes --------------------------------------------------------------------------------------

static const peri_class *enum_of(const char *name, size_t len) {
  const peri_class *class = peri_class_find((peri_bytes){(const uint8_t *)name, len});
  return class != NULL && class->is_enum ? class : NULL;
}

// Arrays that Java leaves as they are: those of primitives, their boxes, strings and dates.
static bool is_plain_element(const char *name, size_t len) {
  static const char *const java[] = {
      "java.lang.String",     "java.lang.Object",    "java.lang.Boolean", "java.lang.Character",
      "java.lang.Byte",       "java.lang.Short",     "java.lang.Integer", "java.lang.Long",
      "java.lang.Float",      "java.lang.Double",    "java.lang.Number",  "java.util.Date",
      "java.math.BigDecimal", "java.math.BigInteger"};
  for (size_t i = 0; i < sizeof java / sizeof *java; i++) {
    if (len == strlen(java[i]) && memcmp(name, java[i], len) == 0) {
      return true;
    }
  }
  return memchr(name, '.', len) == NULL && enum_of(name, len) == NULL;
}

static int array_of(generic *g, const char *name, size_t len) {
  size_t at = 0;
  while (at < len && name[at] == '[') {
    at++;
  }
  if (is_plain_element(name + at, len - at)) {
    return g->to.ops->type(g->to.self, name, len);
  }
  const char *class = at == 1 && enum_of(name + 1, len - 1) != NULL ? "[string" : "[object";
  return g->to.ops->type(g->to.self, class, strlen(class));
}

static int java_class(generic *g, const char *name, size_t len) {
  static const char set[] = "java.util.HashSet";
  if (starts(name, len, "java.util.") && ends(name, len, "List")) {
    return 0;
  }
  if (starts(name, len, "java.util.") && ends(name, len, "Set")) {
    return g->to.ops->type(g->to.self, set, sizeof set - 1);
  }
  return g->to.ops->type(g->to.self, name, len);
}

static int on_type(void *sink, const char *name, size_t len) {
  generic *g = sink;
  if (g->inside != AS_IT_IS) {
    return 0;
  }
  uint8_t moment = starts(name, len, "java.time.Local") ? peri_json_time_kind(name, len) : 0;
  if (moment != 0) {
    g->next = MOMENT;
    peri_json_time_begin(&g->time, moment);
    return 0;
  }
  uint8_t parts = starts(name, len, "java.time.") ? dubbo_moment_kind(name, len) : 0;
  if (parts != 0) {
    g->next = PARTS;
    dubbo_moment_begin(&g->parts, parts);
    return 0;
  }
  if (enum_of(name, len) != NULL) {
    g->next = CONSTANT;
    return 0;
  }
  if (len != 0 && name[0] == '[') {
    return array_of(g, name, len);
  }
  if (starts(name, len, "java.")) {
    return java_class(g, name, len);
  }
  if (len > NAME_MAX_BYTES) {
    return peri_fail(g->err, PERI_EBAD_REQUEST, "the class is longer than %d bytes",
                     NAME_MAX_BYTES);
  }
  memcpy(g->name, name, len);
  g->len = len;
  g->next = OBJECT;
  return 0;
}

// A map of a class that its reader may not have is a map.
static int on_dictionary(void *sink) {
  generic *g = sink;
  if (g->inside != AS_IT_IS) {
    return 0;
  }
  g->next = AS_IT_IS;
  return g->to.ops->graph->dictionary(g->to.self);
}

static int on_field(void *sink, const char *name, size_t len) {
  generic *g = sink;
  return g->to.ops->graph->field(g->to.self, name, len);
}

// ---- lists and maps -------------------------------------------------------------------------------

static int enter(generic *g, const peri_class *class) {
  if (g->open > PERI_VALUE_DEPTH_MAX) {
    return peri_fail(g->err, PERI_ETOO_BIG, "nested deeper than %u", PERI_VALUE_DEPTH_MAX);
  }
  level *l = &levels[g->open++];
  l->class = class;
  memset(l->told, 0, sizeof l->told);
  return 0;
}

static level *leave(generic *g) {
  return &levels[--g->open];
}

static void note_told(const generic *g, const char *text, size_t len) {
  level *l = g->open != 0 ? &levels[g->open - 1] : NULL;
  if (l != NULL && l->class != NULL) {
    int place = peri_class_index(l->class, (peri_bytes){(const uint8_t *)text, len});
    if (place >= 0 && place < TOLD_FIELDS) {
      l->told[place / 64] |= UINT64_C(1) << place % 64;
    }
  }
}

// Java puts them all in, which fastjson leaves out again.
static int put_nulls(generic *g, const level *l) {
  int rc = 0;
  uint32_t count = l->class != NULL && !g->json ? l->class->count : 0;
  for (uint32_t i = 0; i < count && i < TOLD_FIELDS && rc == 0; i++) {
    if ((l->told[i / 64] >> i % 64 & 1) == 0) {
      peri_bytes name = l->class->names[i];
      rc = g->to.ops->key(g->to.self, (const char *)name.ptr, name.len);
      rc = rc != 0 ? rc : g->to.ops->null(g->to.self);
    }
  }
  return rc;
}

static int on_list_begin(void *sink, size_t count) {
  generic *g = sink;
  bool text = g->inside != AS_IT_IS || g->next > OBJECT;
  g->next = AS_IT_IS;
  if (text) {
    return peri_fail(g->err, PERI_EBAD_REQUEST, "a list is no constant and no moment");
  }
  int rc = enter(g, NULL);
  return rc != 0 ? rc : g->to.ops->list_begin(g->to.self, count);
}

static int on_list_end(void *sink) {
  generic *g = sink;
  leave(g);
  return g->to.ops->list_end(g->to.self);
}

// What becomes something else when it ends is nothing that could be referred to.
static int begin_other(generic *g) {
  if (g->inside == AS_IT_IS) {
    if (g->identity != NULL) {
      peri_hessian_forget(g->writer.hessian.t, g->identity);
    }
    g->inside = g->next;
    g->next = AS_IT_IS;
    g->told = g->is_name = false;
  }
  g->depth++;
  return 0;
}

static int begin_object(generic *g) {
  const peri_class *class = peri_class_find((peri_bytes){(const uint8_t *)g->name, g->len});
  g->next = AS_IT_IS;
  int rc = enter(g, class);
  rc = rc != 0 ? rc : g->to.ops->map_begin(g->to.self, PERI_COUNT_UNKNOWN);
  rc = rc != 0 ? rc : g->to.ops->key(g->to.self, "class", 5);
  return rc != 0 ? rc : g->to.ops->string(g->to.self, g->name, g->len);
}

static int on_map_begin(void *sink, size_t count) {
  generic *g = sink;
  if (g->inside != AS_IT_IS || g->next > OBJECT) {
    return begin_other(g);
  }
  if (g->next == OBJECT) {
    return begin_object(g);
  }
  int rc = enter(g, NULL);
  return rc != 0 ? rc : g->to.ops->map_begin(g->to.self, count);
}

static int on_key(void *sink, const char *text, size_t len) {
  generic *g = sink;
  switch (g->inside) {
  case CONSTANT: g->is_name = g->depth == 1 && len == 4 && memcmp(text, "name", 4) == 0; return 0;
  case MOMENT: return peri_json_time_key(&g->time, text, len, g->err);
  case PARTS: return dubbo_moment_key(&g->parts, text, len, g->err);
  default: note_told(g, text, len); return g->to.ops->key(g->to.self, text, len);
  }
}

static int on_any_key(void *sink) {
  generic *g = sink;
  return g->inside != AS_IT_IS
             ? peri_fail(g->err, PERI_EBAD_REQUEST, "the fields of an object are named by strings")
             : g->to.ops->any_key(g->to.self);
}

// As toString has it: no seconds when they are 0, and fractions of 3, 6 or 9 digits.
static int put_moment(generic *g) {
  peri_buf *text = peri_scratch_get();
  int rc = peri_json_time_add(&g->time, text, g->err);
  if (rc != 0) {
    return rc;
  }
  const char *from = (const char *)text->data + 1;
  size_t len = text->len - 2;
  bool fraction = memchr(from, '.', len) != NULL;
  while (fraction && ends(from, len, "000")) {
    len -= 3;
  }
  if (!fraction && ends(from, len, ":00")) {
    len -= 3;
  }
  return g->to.ops->string(g->to.self, from, len);
}

static int on_map_end(void *sink) {
  generic *g = sink;
  kind inside = g->inside;
  if (inside == AS_IT_IS) {
    int rc = put_nulls(g, leave(g));
    return rc != 0 ? rc : g->to.ops->map_end(g->to.self);
  }
  if (--g->depth != 0) {
    return 0;
  }
  g->inside = AS_IT_IS;
  if (inside == MOMENT) {
    return put_moment(g);
  }
  if (inside == PARTS) {
    return dubbo_moment_write(&g->parts, &g->to, g->err);
  }
  return g->told ? 0 : peri_fail(g->err, PERI_EBAD_REQUEST, "a constant of an enum has no name");
}

static int on_seen(void *sink, const void *identity) {
  generic *g = sink;
  if (g->inside != AS_IT_IS || g->json) {
    return 0;
  }
  g->identity = identity;
  return g->to.ops->graph->seen(g->to.self, identity);
}

// Without `object`, so that fields come with their names, and without the references of decoders,
// which feed no results.
static const peri_sink_graph graph = {
    .cast = on_cast,
    .dictionary = on_dictionary,
    .field = on_field,
    .seen = on_seen,
};

static const peri_sink_ops ops = {
    .null = on_null,
    .boolean = on_boolean,
    .integer = on_integer,
    .uinteger = on_uinteger,
    .number = on_number,
    .string = on_string,
    .bytes = on_bytes,
    .list_begin = on_list_begin,
    .list_end = on_list_end,
    .map_begin = on_map_begin,
    .key = on_key,
    .any_key = on_any_key,
    .map_end = on_map_end,
    .type = on_type,
    .graph = &graph,
};

static void begin(generic *g, bool json, peri_err *err, peri_sink *sink) {
  g->err = err;
  g->json = json;
  g->identity = NULL;
  g->next = g->inside = AS_IT_IS;
  g->depth = g->open = 0;
  *sink = (peri_sink){&ops, g};
}

void dubbo_generic_encoder_init(void *encoder, peri_buf *out, const peri_value_limits *limits,
                                peri_err *err, peri_sink *sink) {
  generic *g = encoder;
  begin(g, false, err, sink);
  peri_serializer_hessian2_dubbo.encoder_init(&g->writer.hessian, out, limits, err, &g->to);
}

void dubbo_generic_json_encoder_init(void *encoder, peri_buf *out, const peri_value_limits *limits,
                                     peri_err *err, peri_sink *sink) {
  generic *g = encoder;
  begin(g, true, err, sink);
  peri_json_encoder_init(g->writer.json, out, limits, err, &g->to);
}

int dubbo_generic_encoder_finish(void *encoder) {
  generic *g = encoder;
  return g->json ? peri_json_encoder_finish(g->writer.json)
                 : peri_serializer_hessian2_dubbo.encoder_finish(&g->writer.hessian);
}
