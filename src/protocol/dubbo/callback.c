// SPDX-License-Identifier: MIT
// Functions as arguments. In their place stands null, an attachment `sys_callback_arg-<n>` has the
// number of the function, and the provider's call of it names that number and the class of the
// parameter. Nobody is told when a function is needed no more.
#include "protocol/dubbo/dubbo.h"

#include <stdio.h>

// "Ldemo/Listener;" as "demo.Listener". Returns what was written, 0 when it is no class.
static size_t class_write(peri_bytes type, char *out, size_t size) {
  if (type.len < 3 || type.ptr[0] != 'L' || type.len - 2 > size) {
    return 0;
  }
  for (size_t i = 0; i < type.len - 2; i++) {
    uint8_t c = type.ptr[i + 1];
    out[i] = (char)(c == '/' ? '.' : c);
  }
  return type.len - 2;
}

// A part of a name says nothing of where the name ends.
static bool is_part(peri_bytes text) {
  return memchr(text.ptr, ':', text.len) == NULL && memchr(text.ptr, ',', text.len) == NULL &&
         memchr(text.ptr, '\0', text.len) == NULL;
}

// Returns what was written, negative when it does not fit.
static int name_one(const dubbo_head *head, const dubbo_attachments *found, uint32_t n, char *out,
                    size_t size, bool more) {
  char class[PERI_CALLBACK_TEXT_MAX];
  uint32_t argument = found->callbacks[n].argument;
  peri_bytes id = found->callbacks[n].id;
  peri_bytes type = dubbo_types_at(head->types, argument);
  size_t len = class_write(type, class, sizeof class);
  peri_bytes name = {(const uint8_t *)class, len};
  if (argument >= 64 || (head->nulls >> argument & 1) == 0 || len == 0 || id.len == 0) {
    return 0;
  }
  if (memchr(id.ptr, '/', id.len) != NULL || !is_part(id) || !is_part(name) ||
      (found->group.len != 0 && !is_part(found->group))) {
    return -1;
  }
  int written = snprintf(out, size, "%s%.*s/%.*s/%.*s:%u", more ? "," : "", (int)id.len,
                         (const char *)id.ptr, (int)len, class, (int)found->group.len,
                         found->group.len != 0 ? (const char *)found->group.ptr : "", argument + 1);
  return written > 0 && (size_t)written < size ? written : -1;
}

int dubbo_callbacks_name(const dubbo_head *head, const dubbo_attachments *found,
                         char text[PERI_CALLBACK_TEXT_MAX], peri_bytes *names, peri_err *err) {
  size_t at = 0;
  *names = (peri_bytes){NULL, 0};
  if (head->generic || head->echo) {
    return 0;
  }
  if (found->callback_count > DUBBO_CALLBACKS_MAX) {
    return peri_fail(err, PERI_EBAD_REQUEST, "a call carries at most %d callbacks",
                     DUBBO_CALLBACKS_MAX);
  }
  for (uint32_t i = 0; i < found->callback_count; i++) {
    int written = name_one(head, found, i, text + at, PERI_CALLBACK_TEXT_MAX - at, at > 0);
    if (written < 0) {
      return peri_fail(
          err, PERI_EBAD_REQUEST,
          "the callback for argument %u: names and group must be short, without : and ,",
          found->callbacks[i].argument);
    }
    at += (size_t)written;
  }
  *names = (peri_bytes){(const uint8_t *)text, at};
  return 0;
}

static peri_bytes cut(peri_bytes *rest) {
  const uint8_t *end = rest->len != 0 ? memchr(rest->ptr, '/', rest->len) : NULL;
  size_t len = end != NULL ? (size_t)(end - rest->ptr) : rest->len;
  peri_bytes part = {rest->ptr, len};
  len += end != NULL;
  *rest = (peri_bytes){rest->ptr + len, rest->len - len};
  return part;
}

dubbo_callback dubbo_callback_split(peri_bytes name) {
  dubbo_callback callback = {.id = cut(&name)};
  callback.class = cut(&name);
  callback.group = name;
  return callback;
}
