// SPDX-License-Identifier: MIT
#include "protocol/serializer/java/java.h"

enum { TC_NULL = 0x70, TC_REFERENCE = 0x71, TC_CLASSDESC = 0x72, TC_STRING = 0x74, TC_END = 0x78 };

int java_bad(java_stream *s, const char *what) {
  return peri_fail(s->err, PERI_EBAD_REQUEST, "java: %s at offset %zu", what,
                   (size_t)(s->at - s->start));
}

bool java_has(const java_stream *s, size_t n) {
  return (size_t)(s->end - s->at) >= n;
}

int java_text(java_stream *s, peri_bytes *text) {
  if (!java_has(s, 2)) {
    return java_bad(s, "the stream ends");
  }
  size_t len = peri_get_u16(s->at);
  if (!java_has(s, 2 + len)) {
    return java_bad(s, "the stream ends inside a string");
  }
  *text = (peri_bytes){s->at + 2, len};
  s->at += 2 + len;
  return 0;
}

int java_add_handle(java_stream *s, java_handle handle) {
  if (s->handle_count == JAVA_HANDLES) {
    return peri_fail(s->err, PERI_ETOO_BIG, "java: more than %d objects", JAVA_HANDLES);
  }
  s->handles[s->handle_count++] = handle;
  return 0;
}

const java_handle *java_reference(java_stream *s) {
  enum { BASE = 0x7E0000 };
  if (!java_has(s, 4)) {
    return NULL;
  }
  uint32_t number = peri_get_u32(s->at) - BASE;
  s->at += 4;
  return number < s->handle_count ? &s->handles[number] : NULL;
}

static java_kind kind_of(peri_bytes name) {
  static const struct {
    const char *name;
    java_kind kind;
  } known[] = {
      {"java.util.HashMap", JAVA_MAP},
      {"java.util.LinkedHashMap", JAVA_MAP},
      {"java.util.ArrayList", JAVA_LIST},
      {"java.util.Collections$EmptyList", JAVA_EMPTY_LIST},
      {"java.util.Collections$EmptyMap", JAVA_EMPTY_MAP},
  };
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    if (peri_bytes_equal(name, peri_bytes_of(known[i].name))) {
      return known[i].kind;
    }
  }
  return JAVA_PLAIN;
}

// The class of an object field is a string of its own, new or seen before; it is not needed.
static int field_class(java_stream *s) {
  if (!java_has(s, 1)) {
    return java_bad(s, "the stream ends inside a class");
  }
  uint8_t tag = *s->at++;
  peri_bytes text;
  if (tag == TC_REFERENCE) {
    const java_handle *handle = java_reference(s);
    return handle != NULL && handle->kind == JAVA_STRING ? 0 : java_bad(s, "no such string");
  }
  if (tag != TC_STRING) {
    return java_bad(s, "the class of a field is expected");
  }
  int rc = java_text(s, &text);
  return rc != 0 ? rc : java_add_handle(s, (java_handle){.kind = JAVA_STRING, .text = text});
}

static int read_field(java_stream *s) {
  if (s->field_count == JAVA_FIELDS) {
    return peri_fail(s->err, PERI_ETOO_BIG, "java: more than %d fields", JAVA_FIELDS);
  }
  if (!java_has(s, 1)) {
    return java_bad(s, "the stream ends inside a class");
  }
  java_field *field = &s->fields[s->field_count++];
  field->type = (char)*s->at++;
  if (field->type == '\0' || strchr("IJFZBSCDL[", field->type) == NULL) {
    return java_bad(s, "a field of an unknown type");
  }
  int rc = java_text(s, &field->name);
  return rc != 0 || (field->type != 'L' && field->type != '[') ? rc : field_class(s);
}

static int read_fields(java_stream *s, java_class *class) {
  if (!java_has(s, 3)) {
    return java_bad(s, "the stream ends inside a class");
  }
  class->flags = s->at[0];
  class->count = peri_get_u16(s->at + 1);
  class->first = s->field_count;
  s->at += 3;
  int rc = 0;
  for (unsigned i = 0; i < class->count && rc == 0; i++) {
    rc = read_field(s);
  }
  return rc;
}

static int new_class(java_stream *s, int *number) {
  if (s->class_count == JAVA_CLASSES) {
    return peri_fail(s->err, PERI_ETOO_BIG, "java: more than %d classes", JAVA_CLASSES);
  }
  *number = s->class_count++;
  java_class *class = &s->classes[*number];
  *class = (java_class){.super = -1};
  int rc = java_text(s, &class->name);
  if (rc == 0 && !java_has(s, 8)) {
    rc = java_bad(s, "the stream ends inside a class");
  }
  if (rc != 0) {
    return rc;
  }
  s->at += 8;  // serialVersionUID
  class->kind = kind_of(class->name);
  rc = java_add_handle(s, (java_handle){.kind = JAVA_CLASS, .number = *number});
  rc = rc != 0 ? rc : read_fields(s, class);
  if (rc == 0 && (!java_has(s, 1) || *s->at++ != TC_END)) {
    rc = java_bad(s, "annotations of a class are not read here");
  }
  return rc;
}

// A class that was read before this chain began: one of the chain would be its own super class.
static int known_class(java_stream *s, unsigned complete, int *number) {
  const java_handle *handle = java_reference(s);
  if (handle == NULL || handle->kind != JAVA_CLASS || handle->number >= (int)complete) {
    return java_bad(s, "no such class");
  }
  *number = handle->number;
  return 0;
}

// A class, then its super class, and so on: a loop, because the chain is the peer's.
int java_read_class(java_stream *s, int *number) {
  unsigned complete = s->class_count;
  *number = -1;
  for (;;) {
    uint8_t tag = java_has(s, 1) ? *s->at++ : 0;
    if (tag == TC_NULL) {
      return 0;
    }
    if (tag == TC_REFERENCE) {
      return known_class(s, complete, number);
    }
    if (tag != TC_CLASSDESC) {
      return java_bad(s, "a class is expected");
    }
    int rc = new_class(s, number);
    if (rc != 0) {
      return rc;
    }
    number = &s->classes[*number].super;
  }
}
