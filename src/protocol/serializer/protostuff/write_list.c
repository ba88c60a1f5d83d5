// SPDX-License-Identifier: MIT
// Lists: collections and arrays that say what they are, and those that are declared.
#include <string.h>

#include "protocol/serializer/protostuff/write.h"

static const struct {
  const char *name;
  uint32_t id;
  peri_java_type type;
} arrays[] = {
    {"[boolean", 0, {.kind = PERI_JAVA_BOOLEAN}}, {"[char", 2, {.kind = PERI_JAVA_CHAR}},
    {"[short", 3, {.kind = PERI_JAVA_SHORT}},     {"[int", 4, {.kind = PERI_JAVA_INT}},
    {"[long", 5, {.kind = PERI_JAVA_LONG}},       {"[float", 6, {.kind = PERI_JAVA_FLOAT}},
    {"[double", 7, {.kind = PERI_JAVA_DOUBLE}},   {"[string", 16, {.kind = PERI_JAVA_STRING}},
};

const char *peri_protostuff_array_name(uint32_t id) {
  for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
    if (arrays[i].id == id) {
      return arrays[i].name;
    }
  }
  return NULL;
}

static void put_array_of_object(encoder *e, size_t count) {
  peri_protostuff_put_text(e->out, ID_ARRAY, peri_bytes_of("java.lang.Object"));
  peri_protostuff_put_number(e->out, 3, count);
  peri_protostuff_put_number(e->out, 2, 1);
}

// Objects or constants of a class that is declared; of others, interfaces too, Java writes more.
static int begin_class_array(encoder *e, peri_bytes name, uint32_t group, size_t count) {
  const peri_class *class = peri_protostuff_class(name);
  if (class == NULL) {
    return peri_protostuff_wrong(
        e, "an array of this class cannot be written; declare the class, with its fields in order");
  }
  peri_protostuff_put_text(e->out, class->is_enum ? ID_ARRAY_ENUM : ID_ARRAY_POJO, name);
  peri_protostuff_put_number(e->out, 1, count);
  return peri_protostuff_push(e, (frame){.kind = ELEMENTS, .group = group, .type = &class->self});
}

// An array by its name in Hessian: '[int', '[demo.Person'.
static int begin_array(encoder *e, peri_bytes name, uint32_t group, size_t count) {
  for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
    if (peri_bytes_equal(name, peri_bytes_of(arrays[i].name))) {
      peri_protostuff_put_number(e->out, ID_ARRAY_SCALAR, arrays[i].id);
      peri_protostuff_put_number(e->out, 1, count);
      return peri_protostuff_push(
          e, (frame){.kind = ELEMENTS, .group = group, .type = &arrays[i].type});
    }
  }
  if (peri_bytes_equal(name, peri_bytes_of("[object"))) {
    put_array_of_object(e, count);
    return peri_protostuff_push(e, (frame){.kind = ARGS, .group = group});
  }
  return begin_class_array(e, (peri_bytes){name.ptr + 1, name.len - 1}, group, count);
}

static int begin_any_list(encoder *e, uint32_t number, size_t count) {
  peri_bytes name = peri_protostuff_take_name(e);
  if (number != 0) {
    peri_protostuff_put_tag(e->out, number, WIRE_START);
  }
  if (name.len != 0 && name.ptr[0] == '[') {
    return count == PERI_COUNT_UNKNOWN ? peri_protostuff_wrong(e, "an array of unknown size")
                                       : begin_array(e, name, number, count);
  }
  name = peri_protostuff_short_name(name);
  peri_protostuff_put_text(e->out, ID_COLLECTION,
                           name.len != 0 ? name : peri_bytes_of("ArrayList"));
  return peri_protostuff_push(e, (frame){.kind = ITEMS, .group = number});
}

static int begin_array_field(encoder *e, const peri_java_type *type, uint32_t number,
                             size_t count) {
  const peri_java_type *of = type->first;
  bool inlined = of->kind != PERI_JAVA_ANY && of->kind <= PERI_JAVA_CLASS;
  if (count == PERI_COUNT_UNKNOWN) {
    return peri_protostuff_wrong(e, "an array of unknown size");
  }
  peri_protostuff_put_tag(e->out, number, WIRE_START);
  if (!inlined) {
    put_array_of_object(e, count);
    return peri_protostuff_push(e, (frame){.kind = ARGS, .group = number});
  }
  peri_protostuff_put_number(e->out, 1, count);
  return peri_protostuff_push(e, (frame){.kind = ELEMENTS, .group = number, .type = of});
}

int peri_protostuff_begin_list(encoder *e, size_t count) {
  const peri_java_type *type;
  frame *f = &e->frames[e->depth];
  uint32_t number = peri_protostuff_place(f, &type);
  bool args = e->args && e->depth == 0;
  e->dictionary = false;
  e->cast = PERI_CAST_NONE;
  int rc = peri_protostuff_before(e);
  if (rc != 0) {
    return rc;
  }
  if (args && count != PERI_COUNT_UNKNOWN) {
    put_array_of_object(e, count);
    return peri_protostuff_push(e, (frame){.kind = ARGS});
  }
  if (type == NULL || (type->kind == PERI_JAVA_LIST && f->kind != FIELDS)) {
    return begin_any_list(e, number, count);
  }
  e->named = false;
  if (type->kind == PERI_JAVA_LIST) {
    return peri_protostuff_push(e, (frame){.kind = REPEATED, .field = number, .type = type->first});
  }
  return type->kind == PERI_JAVA_ARRAY
             ? begin_array_field(e, type, number, count)
             : peri_protostuff_wrong(e, "a list where another type is declared");
}
