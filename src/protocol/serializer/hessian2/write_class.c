// SPDX-License-Identifier: MIT
// Names that are written once and numbered: definitions of classes, types of lists and maps. A
// class is defined again when its fields are others or in another order.
#include "base/mem.h"
#include "protocol/serializer/hessian2/write.h"

// The length and both ends: names that agree in these are compared in full anyway.
static uint64_t mix(uint64_t hash, const char *text, size_t len) {
  uint64_t head = 0;
  uint64_t tail = 0;
  if (len >= 8) {
    memcpy(&head, text, 8);
    memcpy(&tail, text + len - 8, 8);
  } else if (len >= 4) {
    uint32_t half;
    memcpy(&half, text, 4);
    head = half;
    memcpy(&half, text + len - 4, 4);
    tail = half;
  } else {
    for (size_t i = 0; i < len; i++) {
      head = head << 8 | (uint8_t)text[i];
    }
  }
  hash = (hash ^ head ^ (tail << 7 | tail >> 57) ^ (uint64_t)len << 56) * 0x9E3779B97F4A7C15u;
  return hash ^ hash >> 32;
}

static hessian_known **known_at(const hessian_writer *w, uint64_t hash) {
  return &w->t->known[(hash ^ hash >> 40) % HESSIAN_KNOWN];
}

static void begin_new(hessian_writer *w, const char *name, size_t len) {
  w->known = NULL;
  w->name = peri_hessian_keep_name(w->t, name, len);
  w->hash = mix(0, name, len);
}

void peri_hessian_begin_class(hessian_writer *w, const char *name, size_t len) {
  hessian_known *known = *known_at(w, mix(0, name, len));
  w->text_mark = w->t->text.len;
  w->field_mark = w->t->field_count;
  w->typed = true;
  w->dictionary = false;
  w->announced = false;
  if (known != NULL && known->name_len == len && memcmp(known->text, name, len) == 0) {
    w->known = known;
    w->next = 0;
    w->at = known->name_len;
  } else {
    begin_new(w, name, len);
  }
}

static hessian_shaped *shaped_at(const hessian_writer *w, const peri_shape *shape) {
  return &w->t->shaped[(shape->id * 3 + (uint64_t)w->flavour) % HESSIAN_SHAPED];
}

bool peri_hessian_begin_shape(hessian_writer *w, const peri_shape *shape) {
  const hessian_shaped *row = shaped_at(w, shape);
  if (row->id != shape->id || row->flavour != w->flavour || row->known->serial != row->serial) {
    return false;
  }
  w->text_mark = w->t->text.len;
  w->field_mark = w->t->field_count;
  w->typed = true;
  w->dictionary = false;
  w->announced = true;
  w->known = row->known;
  w->next = row->known->count;
  w->at = row->known->names;
  return true;
}

void peri_hessian_keep_shape(hessian_writer *w, const peri_shape *shape) {
  if (w->known != NULL) {
    *shaped_at(w, shape) =
        (hessian_shaped){shape->id, (uint8_t)w->flavour, w->known, w->known->serial};
  }
}

static int add_new_field(hessian_writer *w, const char *name, size_t len) {
  w->hash = mix(w->hash, name, len);
  return peri_hessian_add_field(w->t, peri_hessian_keep_name(w->t, name, len))
             ? 0
             : peri_fail(w->err, PERI_ETOO_BIG, "more than %d fields in one body",
                         PERI_HESSIAN_FIELDS_MAX);
}

// The class goes on otherwise than the known one of its name.
static int leave_known(hessian_writer *w) {
  const hessian_known *known = w->known;
  uint32_t at = known->name_len;
  int rc = 0;
  begin_new(w, known->text, known->name_len);
  for (uint32_t i = 0; i < w->next && rc == 0; i++) {
    rc = add_new_field(w, known->text + at, known->lens[i]);
    at += known->lens[i];
  }
  return rc;
}

int peri_hessian_add_class_field(hessian_writer *w, const char *name, size_t len) {
  const hessian_known *known = w->known;
  w->announced = true;
  if (known != NULL && w->next < known->count && known->lens[w->next] == len &&
      memcmp(known->text + w->at, name, len) == 0) {
    w->next++;
    w->at += (uint32_t)len;
    return 0;
  }
  int rc = known != NULL ? leave_known(w) : 0;
  return rc != 0 ? rc : add_new_field(w, name, len);
}

static void forget(hessian_writer *w) {
  w->t->text.len = w->text_mark;
  w->t->field_count = w->field_mark;
}

static bool same_name(const hessian_tables *t, peri_bytes a, peri_bytes b) {
  return a.len == b.len && memcmp(peri_hessian_name(t, a), peri_hessian_name(t, b), a.len) == 0;
}

static bool same_class(const hessian_writer *w, const hessian_def *def, uint32_t count) {
  const hessian_tables *t = w->t;
  if (def->hash != w->hash || def->count != count || !same_name(t, def->name, w->name)) {
    return false;
  }
  for (uint32_t i = 0; i < count; i++) {
    if (!same_name(t, t->fields[def->first + i], t->fields[w->field_mark + i])) {
      return false;
    }
  }
  return true;
}

static void put_name(hessian_writer *w, peri_bytes name) {
  peri_hessian_put_string(w->out, peri_hessian_name(w->t, name), name.len);
}

// Remembers the definition that begins at `start` of the output, for objects to come.
static void remember(hessian_writer *w, uint32_t count, uint32_t number, size_t start) {
  hessian_tables *t = w->t;
  size_t names = t->text.len - w->text_mark;
  size_t len = w->out->len - start;
  if (count > HESSIAN_KNOWN_FIELDS || names + len > HESSIAN_KNOWN_TEXT) {
    return;
  }
  hessian_known **place = known_at(w, mix(0, peri_hessian_name(t, w->name), w->name.len));
  if (*place == NULL) {
    *place = peri_malloc(sizeof **place);
  }
  hessian_known *known = *place;
  known->round = t->round;
  known->number = number;
  known->count = count;
  known->name_len = (uint32_t)w->name.len;
  known->len = (uint32_t)len;
  known->names = (uint32_t)names;
  known->serial = ++t->known_serial;
  for (uint32_t i = 0; i < count; i++) {
    known->lens[i] = (uint16_t)t->fields[w->field_mark + i].len;
  }
  memcpy(known->text, t->text.data + w->text_mark, names);
  memcpy(known->text + names, w->out->data + start, len);
}

// Writes the definition of the known class where this body has none yet.
static int put_known(hessian_writer *w, uint32_t *number) {
  hessian_known *known = w->known;
  hessian_tables *t = w->t;
  if (known->round != t->round) {
    // Nothing compares equal to this one: the known class stands for it.
    if (!peri_hessian_add_def(t, &(hessian_def){.count = UINT32_MAX})) {
      return peri_fail(w->err, PERI_ETOO_BIG, "more than %d classes in one body",
                       PERI_HESSIAN_CLASSES_MAX);
    }
    known->round = t->round;
    known->number = t->def_count - 1;
    peri_buf_add(w->out, known->text + w->at, known->len);
  }
  *number = known->number;
  return 0;
}

static int define(hessian_writer *w, uint32_t count) {
  hessian_tables *t = w->t;
  size_t start = w->out->len;
  hessian_def def = {.name = w->name, .first = w->field_mark, .count = count, .hash = w->hash};
  if (!peri_hessian_add_def(t, &def)) {
    return peri_fail(w->err, PERI_ETOO_BIG, "more than %d classes in one body",
                     PERI_HESSIAN_CLASSES_MAX);
  }
  peri_buf_add_u8(w->out, 'C');
  put_name(w, w->name);
  peri_hessian_put_int(w->out, (int32_t)count);
  for (uint32_t i = 0; i < count; i++) {
    put_name(w, t->fields[w->field_mark + i]);
  }
  remember(w, count, t->def_count - 1, start);
  return 0;
}

static int find_or_define(hessian_writer *w, uint32_t *number) {
  hessian_tables *t = w->t;
  uint32_t count = t->field_count - w->field_mark;
  *number = 0;
  while (*number < t->def_count && !same_class(w, &t->defs[*number], count)) {
    (*number)++;
  }
  if (*number < t->def_count) {
    forget(w);
    return 0;
  }
  return define(w, count);
}

int peri_hessian_put_object(hessian_writer *w) {
  hessian_tables *t = w->t;
  uint32_t number = 0;  // a compiler with a sanitizer does not see that it is set
  int rc = w->known != NULL && w->next != w->known->count ? leave_known(w) : 0;
  rc = rc != 0 ? rc : w->known != NULL ? put_known(w, &number) : find_or_define(w, &number);
  w->typed = false;
  if (rc != 0) {
    return rc;
  }
  t->number++;
  if (number <= 0x0F) {
    peri_buf_add_u8(w->out, (uint8_t)(0x60 + number));
  } else {
    peri_buf_add_u8(w->out, 'O');
    peri_hessian_put_int(w->out, (int32_t)number);
  }
  return 0;
}

int peri_hessian_put_type(hessian_writer *w) {
  hessian_tables *t = w->t;
  w->typed = false;
  if (w->known != NULL) {
    begin_new(w, w->known->text, w->known->name_len);
  }
  t->field_count = w->field_mark;
  for (uint32_t i = 0; i < t->type_count; i++) {
    if (same_name(t, t->types[i], w->name)) {
      forget(w);
      peri_hessian_put_int(w->out, (int32_t)i);
      return 0;
    }
  }
  if (!peri_hessian_add_type(t, w->name)) {
    return peri_fail(w->err, PERI_ETOO_BIG, "more than %d types in one body",
                     PERI_HESSIAN_TYPES_MAX);
  }
  put_name(w, w->name);
  return 0;
}

int peri_hessian_put_box(hessian_writer *w, const char *name, const char *field) {
  peri_hessian_begin_class(w, name, strlen(name));
  int rc = peri_hessian_add_class_field(w, field, strlen(field));
  return rc != 0 ? rc : peri_hessian_put_object(w);
}
