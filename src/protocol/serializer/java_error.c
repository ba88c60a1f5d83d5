// SPDX-License-Identifier: MIT
#include "protocol/serializer/java_error.h"

#include <string.h>

#define PACKAGE "io.joyrpc.exception."

// For reading, the first row with the name holds; for writing, the first with the code. Rows
// without `send` are only read: not every peer can build those classes.
typedef struct row {
  const char *name;
  int code;
  bool retry;
  bool send;
} row;

static const row rows[] = {
    {PACKAGE "OverloadException", PERI_EOVERLOADED, true, true},
    {PACKAGE "SessionException", PERI_ESESSION_LOST, true, true},
    {PACKAGE "ShutdownExecption", PERI_ESHUTDOWN, true, true},
    {PACKAGE "RejectException", PERI_EUNAVAILABLE, true, true},
    {PACKAGE "RejectException", PERI_ENO_SERVICE, true, true},
    {PACKAGE "RejectException", PERI_ENO_NODE, true, true},
    {PACKAGE "RejectException", PERI_ECLOSED, true, true},
    {PACKAGE "ChannelSendException", PERI_ECLOSED, true, false},
    {PACKAGE "ChannelClosedException", PERI_ECLOSED, false, false},
    {PACKAGE "ConnectException", PERI_ECLOSED, false, false},
    {PACKAGE "TimeoutException", PERI_ETIMEOUT, false, false},
    {PACKAGE "RateLimiterException", PERI_ELIMITED, false, true},
    {PACKAGE "AuthenticationException", PERI_EUNAUTHENTICATED, false, true},
    {PACKAGE "CodecException", PERI_EBAD_REQUEST, false, false},
    {PACKAGE "SerializerException", PERI_EBAD_REQUEST, false, false},
    {"java.lang.IllegalArgumentException", PERI_EBAD_REQUEST, false, false},
    {"java.lang.NoSuchMethodException", PERI_ENO_METHOD, false, false},
    {"java.lang.NoSuchMethodError", PERI_ENO_METHOD, false, false},
    {"java.util.concurrent.CancellationException", PERI_ECANCELLED, false, false},
};

enum { ROWS = sizeof rows / sizeof rows[0] };

static peri_bytes simple_name(peri_bytes name) {
  size_t start = name.len;
  while (start > 0 && name.ptr[start - 1] != '.' && name.ptr[start - 1] != '$') {
    start--;
  }
  return (peri_bytes){start < name.len ? name.ptr + start : NULL, name.len - start};
}

static bool ends_with(peri_bytes name, const char *end) {
  size_t len = strlen(end);
  return name.len >= len && memcmp(name.ptr + name.len - len, end, len) == 0;
}

const char *peri_java_error_class(int code) {
  for (size_t i = 0; i < ROWS; i++) {
    if (rows[i].code == code && rows[i].send) {
      return rows[i].name;
    }
  }
  return PACKAGE "RpcException";
}

int peri_java_error_code(peri_bytes class_name, bool *retry) {
  peri_bytes simple = simple_name(class_name);
  for (size_t i = 0; i < ROWS; i++) {
    if (peri_bytes_equal(simple, simple_name(peri_bytes_of(rows[i].name)))) {
      *retry = rows[i].retry;
      return rows[i].code;
    }
  }
  *retry = false;
  return PERI_EUNKNOWN;
}

// JoyRPC's provider has no exception of its own for either; the second is a NullPointerException of
// its own, which says so on Java 14 and later.
static const struct {
  int code, said;
  const char *text;
} texts[] = {
    {PERI_EUNAVAILABLE, PERI_ENO_SERVICE, "exporter is not found"},
    {PERI_EUNKNOWN, PERI_ENO_METHOD, "io.joyrpc.config.InterfaceOption$MethodOption.getMethod()"},
};

int peri_java_error_said(int code, peri_bytes message) {
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    if (texts[i].code == code && message.len != 0 &&
        memmem(message.ptr, message.len, texts[i].text, strlen(texts[i].text)) != NULL) {
      return texts[i].said;
    }
  }
  return code;
}

int peri_java_error_named(peri_bytes name) {
  char text[32];
  if (name.len == 0 || name.len >= sizeof text) {
    return 1;
  }
  memcpy(text, name.ptr, name.len);
  text[name.len] = '\0';
  return peri_code_by_name(text);
}

bool peri_java_error_is(peri_bytes class_name) {
  return ends_with(class_name, "Exception") || ends_with(class_name, "Execption") ||
         ends_with(class_name, "Error") || ends_with(class_name, "Throwable");
}
