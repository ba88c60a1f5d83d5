// SPDX-License-Identifier: MIT
// Descriptors of parameter types, as the JVM writes them.
#include "protocol/dubbo/dubbo.h"

// Where the type that begins at `i` ends; 0 when it is none.
static size_t type_end(peri_bytes text, size_t i) {
  while (i < text.len && text.ptr[i] == '[') {
    i++;
  }
  if (i == text.len) {
    return 0;
  }
  if (text.ptr[i] == 'L') {
    const uint8_t *end = memchr(text.ptr + i, ';', text.len - i);
    return end != NULL ? (size_t)(end - text.ptr) + 1 : 0;
  }
  return text.ptr[i] != '\0' && strchr("ZBCSIJFD", text.ptr[i]) != NULL ? i + 1 : 0;
}

int dubbo_types_count(peri_bytes text) {
  int count = 0;
  for (size_t i = 0; i < text.len; count++) {
    i = type_end(text, i);
    if (i == 0) {
      return -1;
    }
  }
  return count;
}

peri_bytes dubbo_types_at(peri_bytes text, uint32_t n) {
  size_t i = 0;
  while (i < text.len) {
    size_t end = type_end(text, i);
    if (end == 0) {
      break;
    }
    if (n-- == 0) {
      return (peri_bytes){text.ptr + i, end - i};
    }
    i = end;
  }
  return (peri_bytes){NULL, 0};
}

static char primitive(const char *name, size_t len) {
  static const char *const names[] = {"boolean", "byte",  "char",   "short", "int",
                                      "long",    "float", "double", "void"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0) {
      return "ZBCSIJFDV"[i];
    }
  }
  return '\0';
}

// "int" -> I, "[I" -> [I, "java.lang.String[]" and "[Ljava.lang.String;" -> [Ljava/lang/String;
static int add_type(void *sink, const char *name, size_t len) {
  peri_buf *out = sink;
  while (len > 2 && name[len - 2] == '[' && name[len - 1] == ']') {
    peri_buf_add_u8(out, '[');
    len -= 2;
  }
  char letter = primitive(name, len);
  if (letter != '\0') {
    peri_buf_add_u8(out, (uint8_t)letter);
    return 0;
  }
  bool raw = len != 0 && name[0] == '[';
  if (!raw) {
    peri_buf_add_u8(out, 'L');
  }
  size_t start = out->len;
  peri_buf_add(out, name, len);
  for (size_t i = start; i < out->len; i++) {
    out->data[i] = out->data[i] == '.' ? '/' : out->data[i];
  }
  if (!raw) {
    peri_buf_add_u8(out, ';');
  }
  return 0;
}

static int begin(void *sink, size_t count) {
  (void)sink;
  (void)count;
  return 0;
}

static int end(void *sink) {
  (void)sink;
  return 0;
}

int dubbo_types_write(peri_bytes classes, peri_buf *out) {
  // A list of strings, made here: nothing else comes.
  static const peri_sink_ops ops = {.string = add_type, .list_begin = begin, .list_end = end};
  peri_sink sink = {&ops, out};
  peri_value_limits limits = PERI_VALUE_LIMITS_DEFAULT;
  return peri_serializer_by_id(PERI_SER_MSGPACK)->decode(classes, &limits, &sink, NULL, NULL);
}
