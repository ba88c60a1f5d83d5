// SPDX-License-Identifier: MIT
// Maps and objects: those that say what they are, and those that are declared.
#include "protocol/serializer/java_error.h"
#include "protocol/serializer/protostuff/names.h"
#include "protocol/serializer/protostuff/write.h"

static int begin_map(encoder *e, peri_bytes name, uint32_t group) {
  name = peri_protostuff_short_name(peri_protostuff_usual_name(name, "HashMap"));
  peri_protostuff_put_text(e->out, ID_MAP, name.len != 0 ? name : peri_bytes_of("HashMap"));
  return peri_protostuff_push(e, (frame){.kind = ENTRIES, .group = group});
}

static int begin_object(encoder *e, peri_bytes name, uint32_t group) {
  const peri_class *class = peri_protostuff_class(name);
  if (peri_java_error_is(name)) {
    peri_protostuff_put_text(e->out, ID_THROWABLE, name);
    return peri_protostuff_push(
        e, (frame){.kind = FIELDS, .group = group, .class = class, .first = THROWABLE_FIELDS});
  }
  if (class == NULL) {
    return peri_fail(e->err, PERI_EBAD_REQUEST,
                     "protostuff: the fields of %.*s are not known here; declare the class in "
                     "perilune.interface, with its fields in order",
                     (int)name.len, (const char *)name.ptr);
  }
  peri_protostuff_put_text(e->out, class->is_enum ? ID_ENUM : ID_POJO, name);
  return peri_protostuff_push(
      e, (frame){.kind = class->is_enum ? CONSTANT : FIELDS, .group = group, .class = class});
}

static int begin_class_field(encoder *e, const peri_java_type *type, uint32_t number) {
  const peri_class *class = peri_protostuff_class(type->name);
  peri_bytes name = peri_protostuff_take_name(e);
  if (class == NULL && name.len != 0) {  // an interface: the value says what it is
    peri_protostuff_put_tag(e->out, number, WIRE_START);
    return begin_object(e, name, number);
  }
  if (class == NULL || (name.len != 0 && !peri_bytes_equal(name, type->name))) {
    return peri_fail(e->err, PERI_EBAD_REQUEST,
                     "protostuff: where %.*s is declared stands another class, or it is not "
                     "declared itself",
                     (int)type->name.len, (const char *)type->name.ptr);
  }
  if (class->is_enum) {
    return peri_protostuff_push(
        e, (frame){.kind = CONSTANT, .bare = true, .field = number, .class = class});
  }
  peri_protostuff_put_tag(e->out, number, WIRE_START);
  return peri_protostuff_push(e, (frame){.kind = FIELDS, .group = number, .class = class});
}

static int begin_any_map(encoder *e, uint32_t number) {
  bool dictionary = e->dictionary;
  peri_bytes name = peri_protostuff_take_name(e);
  if (number != 0) {
    peri_protostuff_put_tag(e->out, number, WIRE_START);
  }
  bool plain =
      name.len == 0 || (peri_protostuff_in_package(name) && peri_protostuff_class(name) == NULL);
  return dictionary || plain ? begin_map(e, name, number) : begin_object(e, name, number);
}

int peri_protostuff_begin_map(encoder *e) {
  const peri_java_type *type;
  uint32_t number = peri_protostuff_place(&e->frames[e->depth], &type);
  e->cast = PERI_CAST_NONE;
  int rc = peri_protostuff_before(e);
  bool field = e->frames[e->depth].kind == FIELDS;
  if (rc == 0 && (type == NULL || (type->kind == PERI_JAVA_MAP && !field))) {
    rc = begin_any_map(e, number);
  } else if (rc == 0 && type->kind == PERI_JAVA_MAP) {
    const peri_java_type *keys = type->first;
    peri_protostuff_put_tag(e->out, number, WIRE_START);
    peri_protostuff_take_name(e);
    rc = peri_protostuff_push(
        e,
        (frame){
            .kind = ENTRIES, .group = number, .type = keys, .keys = keys, .values = type->second});
  } else if (rc == 0) {
    rc = type->kind == PERI_JAVA_CLASS
             ? begin_class_field(e, type, number)
             : peri_protostuff_wrong(e, "a map where another type is declared");
  }
  e->dictionary = false;
  return rc;
}

int peri_protostuff_find_field(encoder *e, frame *f, peri_bytes name) {
  int at = f->class != NULL && !f->class->is_enum ? peri_class_index(f->class, name) : -1;
  f->type = NULL;
  f->keyed = true;
  if (at >= 0) {
    f->field = f->first + (uint32_t)at + 1;
    f->type = &f->class->types[at];
    return 0;
  }
  static const peri_java_type text = {.kind = PERI_JAVA_STRING};
  static const peri_java_type flag = {.kind = PERI_JAVA_BOOLEAN};
  if (f->first != 0 && peri_bytes_equal(name, peri_bytes_of("detailMessage"))) {
    f->field = THROWABLE_MESSAGE;
    f->type = &text;
  } else if (f->first != 0 && peri_bytes_equal(name, peri_bytes_of("cause"))) {
    f->field = THROWABLE_CAUSE;
  } else if (f->first != 0 && peri_bytes_equal(name, peri_bytes_of("errorCode"))) {
    f->field = LAF_CODE;
    f->type = &text;
  } else if (f->first != 0 && peri_bytes_equal(name, peri_bytes_of("retry"))) {
    f->field = LAF_RETRY;
    f->type = &flag;
  } else {
    return peri_fail(e->err, PERI_EBAD_REQUEST, "protostuff: field %.*s is not declared",
                     (int)(name.len < 100 ? name.len : 100), (const char *)name.ptr);
  }
  return 0;
}
