// SPDX-License-Identifier: MIT
// What Dubbo's numbers mean here. Its consumers treat a status other than OK as trouble on the way
// and may try again; what a handler says of the call itself therefore travels as an exception.
#include "protocol/dubbo/dubbo.h"

#include <stdio.h>
#include <string.h>

#include "protocol/serializer/java_error.h"

// For reading, the first row with the status holds; for writing, the first with the code.
typedef struct row {
  int code;
  uint8_t status;
  bool retry;  // the call was not run
} row;

static const row rows[] = {
    {PERI_EBAD_REQUEST, 25, false},  // SERIALIZATION_ERROR
    {PERI_ETIMEOUT, 30, false},      // CLIENT_TIMEOUT
    {PERI_ETIMEOUT, 31, false},      // SERVER_TIMEOUT
    {PERI_ECLOSED, 35, false},       // CHANNEL_INACTIVE
    {PERI_EBAD_REQUEST, 40, false},  // BAD_REQUEST
    {PERI_EPROTOCOL, 50, false},     // BAD_RESPONSE
    {PERI_ENO_SERVICE, 60, true},    // SERVICE_NOT_FOUND
    {PERI_ENO_METHOD, 60, true},     //
    {PERI_EINTERNAL, 70, false},     // SERVICE_ERROR
    {PERI_EUNAVAILABLE, 80, false},  // SERVER_ERROR
    {PERI_ESHUTDOWN, 80, true},      //
    {PERI_ESESSION_LOST, 80, true},  //
    {PERI_ENO_NODE, 80, true},       //
    {PERI_EBAD_REQUEST, 90, false},  // CLIENT_ERROR
    {PERI_EOVERLOADED, 100, true},   // SERVER_THREADPOOL_EXHAUSTED_ERROR
    {PERI_ELIMITED, 100, true},      //
};

enum { ROWS = sizeof rows / sizeof rows[0], SERVICE_ERROR = 70, SERVER_TIMEOUT = 31 };

int dubbo_code_of_status(uint8_t status, bool *retry) {
  *retry = false;
  for (size_t i = 0; i < ROWS; i++) {
    if (rows[i].status == status) {
      *retry = rows[i].retry;
      return rows[i].code;
    }
  }
  return PERI_EPROTOCOL;
}

uint8_t dubbo_status_of_code(int code, bool not_run) {
  if (code == PERI_ETIMEOUT) {
    return SERVER_TIMEOUT;
  }
  for (size_t i = 0; i < ROWS && not_run; i++) {
    if (rows[i].code == code) {
      return code == PERI_EBAD_REQUEST ? 40 : rows[i].status;
    }
  }
  return not_run ? SERVICE_ERROR : 0;
}

peri_bytes dubbo_text_of_code(int code, peri_bytes message, char text[DUBBO_TEXT_MAX]) {
  peri_bytes said = message.len != 0 ? message : peri_bytes_of(peri_code_text(code));
  int len = snprintf(text, DUBBO_TEXT_MAX, "%s: ", peri_code_name(code));
  size_t room = DUBBO_TEXT_MAX - (size_t)len;
  size_t more = said.len < room ? said.len : room;
  while (more < said.len && more > 0 && (said.ptr[more] & 0xC0) == 0x80) {
    more--;  // no part of a character
  }
  memcpy(text + len, said.ptr, more);
  return (peri_bytes){(const uint8_t *)text, (size_t)len + more};
}

bool dubbo_code_named(peri_bytes *text, int *code) {
  const uint8_t *colon = text->len != 0 ? memchr(text->ptr, ':', text->len) : NULL;
  size_t len = colon != NULL ? (size_t)(colon - text->ptr) : 0;
  if (colon == NULL || len + 2 > text->len || colon[1] != ' ') {
    return false;
  }
  int named = peri_java_error_named((peri_bytes){text->ptr, len});
  if (named >= 0) {
    return false;
  }
  *text = (peri_bytes){colon + 2, text->len - len - 2};
  *code = named;
  return true;
}

bool dubbo_code_of_text(uint8_t status, peri_bytes *text, int *code) {
  peri_bytes rest = *text;
  int named;
  if (!dubbo_code_named(&rest, &named) || dubbo_status_of_code(named, true) != status) {
    return false;
  }
  *text = rest;
  *code = named;
  return true;
}

// Java's own words in a status that stands for much, and what they leave out. In none of these was
// the call run.
static const struct {
  uint8_t status;
  int code;
  const char *text;
  const char *hint;
} words[] = {
    {70, PERI_ENO_SERVICE, "Not found exported service: ", ""},
    {70, PERI_ENO_METHOD, "No such method ", ""},
    {70, PERI_ENO_METHOD, "\nCaused by: java.lang.NoSuchMethodException: ", " (no such method)"},
    {40, PERI_ENO_SERVICE,
     "Service not found:", " (Dubbo 2.7 says so of a method that it does not have, too)"},
    {40, PERI_ENO_SERVICE, " not found, invocation rejected", ""},
    {40, PERI_EBAD_REQUEST, "parameterTypes=null]",
     " (Dubbo 3 says so where it has no such service, method or types, or cannot read an "
     "argument)"},
};

const char *dubbo_code_of_words(uint8_t status, peri_bytes text, int *code) {
  for (size_t i = 0; i < sizeof words / sizeof words[0] && text.len != 0; i++) {
    if (words[i].status == status &&
        memmem(text.ptr, text.len, words[i].text, strlen(words[i].text)) != NULL) {
      *code = words[i].code;
      return words[i].hint;
    }
  }
  return NULL;
}

// RpcException.code. BIZ is what an exception of the service itself is.
enum { NETWORK = 1, TIMEOUT, BIZ, FORBIDDEN, SERIALIZATION, NO_INVOKER, LIMIT, NO_METHOD = 11 };

static const struct {
  int32_t rpc;
  int code;
} codes[] = {
    {NETWORK, PERI_ECLOSED},
    {TIMEOUT, PERI_ETIMEOUT},
    {BIZ, PERI_EUNKNOWN},
    {FORBIDDEN, PERI_EFORBIDDEN},
    {FORBIDDEN, PERI_EUNAUTHENTICATED},
    {SERIALIZATION, PERI_EBAD_REQUEST},
    {NO_INVOKER, PERI_ENO_NODE},
    {LIMIT, PERI_ELIMITED},
    {LIMIT, PERI_EOVERLOADED},
    {NO_METHOD, PERI_ENO_METHOD},
};

enum { CODES = sizeof codes / sizeof codes[0] };

int dubbo_code_of_rpc(int32_t rpc) {
  for (size_t i = 0; i < CODES; i++) {
    if (codes[i].rpc == rpc) {
      return codes[i].code;
    }
  }
  return PERI_EUNKNOWN;
}

int32_t dubbo_rpc_of_code(int code) {
  for (size_t i = 0; i < CODES; i++) {
    if (codes[i].code == code) {
      return codes[i].rpc;
    }
  }
  return BIZ;
}
