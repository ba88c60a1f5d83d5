// SPDX-License-Identifier: MIT
// Names that are written once and numbered: definitions of classes, types of lists and maps. A
// class is defined again when its fields are others or in another order.
#include "protocol/serializer/hessian2/write.h"

static uint64_t mix(uint64_t hash, const char *text, size_t len) {
  uint64_t word = 0;
  for (; len > 8; text += 8, len -= 8) {
    memcpy(&word, text, 8);
    hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
    hash ^= hash >> 29;
  }
  word = 0;
  memcpy(&word, text, len);
  hash = (hash ^ word ^ (uint64_t)len << 56) * 0x9E3779B97F4A7C15u;
  return hash ^ hash >> 32;
}

void peri_hessian_begin_class(hessian_writer *w, const char *name, size_t len) {
  w->text_mark = w->t->text.len;
  w->field_mark = w->t->field_count;
  w->name = peri_hessian_keep_name(w->t, name, len);
  w->hash = mix(0, name, len);
  w->typed = true;
  w->dictionary = false;
  w->announced = false;
}

int peri_hessian_add_class_field(hessian_writer *w, const char *name, size_t len) {
  w->hash = mix(w->hash, name, len);
  w->announced = true;
  return peri_hessian_add_field(w->t, peri_hessian_keep_name(w->t, name, len))
             ? 0
             : peri_fail(w->err, PERI_ETOO_BIG, "more than %d fields in one body",
                         PERI_HESSIAN_FIELDS_MAX);
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

static int define(hessian_writer *w, uint32_t count) {
  hessian_tables *t = w->t;
  if (!peri_hessian_add_def(t, (hessian_def){w->name, w->field_mark, count, w->hash, {0}})) {
    return peri_fail(w->err, PERI_ETOO_BIG, "more than %d classes in one body",
                     PERI_HESSIAN_CLASSES_MAX);
  }
  peri_buf_add_u8(w->out, 'C');
  put_name(w, w->name);
  peri_hessian_put_int(w->out, (int32_t)count);
  for (uint32_t i = 0; i < count; i++) {
    put_name(w, t->fields[w->field_mark + i]);
  }
  return 0;
}

int peri_hessian_put_object(hessian_writer *w) {
  hessian_tables *t = w->t;
  uint32_t count = t->field_count - w->field_mark;
  uint32_t number = 0;
  while (number < t->def_count && !same_class(w, &t->defs[number], count)) {
    number++;
  }
  w->typed = false;
  if (number < t->def_count) {
    forget(w);
  } else {
    int rc = define(w, count);
    if (rc != 0) {
      return rc;
    }
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
