// SPDX-License-Identifier: MIT
// Lists: collections and arrays that say what they are, and those that are declared.
#include "protocol/serializer/protostuff/names.h"
#include "protocol/serializer/protostuff/write.h"

// Values that say what they are, in their places. What is no array of arrays is of one dimension.
static int push_array(encoder *e, peri_bytes component, uint32_t dimensions, uint32_t group,
                      size_t count) {
  peri_protostuff_put_text(e->out, ID_ARRAY, component);
  size_t at = e->out->len - component.len;
  peri_protostuff_put_number(e->out, 3, count);
  peri_protostuff_put_number(e->out, 2, dimensions);
  return peri_protostuff_push(e, (frame){.kind = ARRAY,
                                         .group = group,
                                         .dimensions = dimensions,
                                         .component_at = at,
                                         .component_len = (uint32_t)component.len});
}

static int push_elements(encoder *e, const peri_java_type *type, uint32_t group, size_t count) {
  peri_protostuff_put_number(e->out, 1, count);
  return peri_protostuff_push(e, (frame){.kind = ELEMENTS, .group = group, .type = type});
}

static int begin_array(encoder *e, peri_bytes component, uint32_t dimensions, uint32_t group,
                       size_t count) {
  uint32_t id;
  const peri_java_type *type = peri_protostuff_inlined(component, dimensions, &id);
  if (count == PERI_COUNT_UNKNOWN) {
    return peri_protostuff_wrong(e, "an array of unknown size");
  }
  if (type != NULL) {
    peri_protostuff_put_number(e->out, ID_ARRAY_SCALAR, id);
    return push_elements(e, type, group, count);
  }
  const peri_class *class = dimensions == 1 ? peri_protostuff_class(component) : NULL;
  if (class == NULL) {  // of arrays, of interfaces
    return push_array(e, component, dimensions, group, count);
  }
  peri_protostuff_put_text(e->out, class->is_enum ? ID_ARRAY_ENUM : ID_ARRAY_POJO, component);
  return push_elements(e, &class->self, group, count);
}

// The name of what begins: its own, or that of an item of an array of arrays. Where it is the latter
// it is copied to `room`, for the bytes it stands in move.
static peri_bytes name_of(encoder *e, peri_protostuff_name *room) {
  const frame *f = &e->frames[e->depth];
  peri_bytes name = peri_protostuff_take_name(e);
  if (name.len != 0 || f->kind != ARRAY || f->dimensions < 2 ||
      !peri_protostuff_array_name((peri_bytes){e->out->data + f->component_at, f->component_len},
                                  f->dimensions - 1, room)) {
    return name;
  }
  return (peri_bytes){(const uint8_t *)room->text, room->len};
}

static int begin_any_list(encoder *e, uint32_t number, size_t count) {
  peri_protostuff_name room;
  peri_bytes name = name_of(e, &room);
  if (number != 0) {
    peri_protostuff_put_tag(e->out, number, WIRE_START);
  }
  if (name.len != 0 && name.ptr[0] == '[') {
    uint32_t dimensions;
    peri_bytes component = peri_protostuff_component(name, &dimensions);
    return begin_array(e, component, dimensions, number, count);
  }
  name = peri_protostuff_short_name(peri_protostuff_usual_name(name, "ArrayList"));
  peri_protostuff_put_text(e->out, ID_COLLECTION,
                           name.len != 0 ? name : peri_bytes_of("ArrayList"));
  return peri_protostuff_push(e, (frame){.kind = ITEMS, .group = number});
}

// An array of what is no inline type: of arrays, collections, interfaces, anything.
static int push_declared(encoder *e, const peri_java_type *of, uint32_t number, size_t count) {
  uint32_t dimensions = 1;
  while (of->kind == PERI_JAVA_ARRAY) {
    of = of->first;
    dimensions++;
  }
  bool bytes = of->kind == PERI_JAVA_BYTES;  // itself an array
  peri_bytes name = bytes               ? peri_bytes_of("byte")
                    : of->name.len == 1 ? peri_bytes_of("java.lang.Object")  // T
                                        : of->name;
  return push_array(e, name, dimensions + bytes, number, count);
}

static int begin_array_field(encoder *e, const peri_java_type *type, uint32_t number,
                             size_t count) {
  const peri_java_type *of = type->first;
  if (count == PERI_COUNT_UNKNOWN) {
    return peri_protostuff_wrong(e, "an array of unknown size");
  }
  peri_protostuff_put_tag(e->out, number, WIRE_START);
  return of->kind != PERI_JAVA_ANY && of->kind <= PERI_JAVA_CLASS
             ? push_elements(e, of, number, count)
             : push_declared(e, of, number, count);
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
    e->named = false;
    return push_array(e, peri_bytes_of("java.lang.Object"), 1, 0, count);
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
