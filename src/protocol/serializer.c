// SPDX-License-Identifier: MIT
#include "protocol/serializer.h"

#include <pthread.h>
#include <string.h>

#include "protocol/dubbo/body.h"
#include "protocol/serializer/builtin.h"

enum { CAPACITY = 64 };

static const peri_serializer *rows[CAPACITY] = {
    &peri_serializer_json,
    &peri_serializer_msgpack,
    &peri_serializer_raw,
    &peri_serializer_hessian2,
    &peri_serializer_hessian2_dubbo,
    &peri_serializer_dubbo,
    &peri_serializer_dubbo_json,
    &peri_serializer_protostuff,
    &peri_serializer_dubbo_generic,
    &peri_serializer_dubbo_generic_alone,
    &peri_serializer_dubbo_json_generic,
};
// Rows are added while others look: a row is there before it counts.
static _Atomic size_t count = 11;
static pthread_mutex_t adding = PTHREAD_MUTEX_INITIALIZER;

static bool is(const char *known, const char *name, size_t len) {
  return strlen(known) == len && memcmp(known, name, len) == 0;
}

static bool same(const peri_serializer *row, const char *name, size_t len, const char *provider) {
  return (is(row->name, name, len) || is(peri_serializer_wire_name(row), name, len)) &&
         (provider == NULL || strcmp(row->provider, provider) == 0);
}

static int add(const peri_serializer *serializer) {
  for (size_t i = 0; i < count; i++) {
    if (same(rows[i], serializer->name, strlen(serializer->name), serializer->provider)) {
      return PERI_EALREADY_EXISTS;
    }
  }
  if (count == CAPACITY) {
    return PERI_ELIMITED;
  }
  rows[count] = serializer;
  count++;
  return 0;
}

int peri_serializer_add(const peri_serializer *serializer) {
  pthread_mutex_lock(&adding);
  int rc = add(serializer);
  pthread_mutex_unlock(&adding);
  return rc;
}

const peri_serializer *peri_serializer_by_name(const char *name) {
  const char *at = strchr(name, '@');
  size_t len = at != NULL ? (size_t)(at - name) : strlen(name);
  for (size_t i = 0; i < count; i++) {
    if (same(rows[i], name, len, at != NULL ? at + 1 : NULL)) {
      return rows[i];
    }
  }
  return NULL;
}

const peri_serializer *peri_serializer_by_id(uint8_t id) {
  for (size_t i = 0; i < count; i++) {
    if (rows[i]->id == id) {
      return rows[i];
    }
  }
  return NULL;
}

const peri_serializer *peri_serializer_at(size_t n) {
  return n < count ? rows[n] : NULL;
}

int peri_serializer_transcode(const peri_serializer *from, peri_bytes in, const peri_serializer *to,
                              const peri_value_limits *limits, peri_buf *out, peri_err *err) {
  peri_encoder encoder;
  peri_sink sink;
  size_t start = out->len;
  to->encoder_init(&encoder, out, limits, err, &sink);
  int rc = from->decode(in, limits, &sink, NULL, err);
  if (rc == 0) {
    rc = to->encoder_finish(&encoder);
  }
  if (rc != 0) {
    out->len = start;
  }
  return rc;
}
