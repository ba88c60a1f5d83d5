// SPDX-License-Identifier: MIT
#include "protocol/compression.h"

#include <pthread.h>
#include <string.h>

#include "protocol/compression/builtin.h"

enum { CAPACITY = 32 };

static const peri_compression *rows[CAPACITY] = {
    &peri_compression_lz4,  &peri_compression_snappy,  &peri_compression_zlib,
    &peri_compression_gzip, &peri_compression_zstd,    &peri_compression_lzma,
    &peri_compression_lz4f, &peri_compression_snappyf,
};
// Rows are added while others look: a row is there before it counts.
static _Atomic size_t count = 8;
static pthread_mutex_t adding = PTHREAD_MUTEX_INITIALIZER;

static int add(const peri_compression *compression) {
  if (peri_compression_by_name(compression->name) != NULL ||
      peri_compression_by_id(compression->id) != NULL) {
    return PERI_EALREADY_EXISTS;
  }
  if (count == CAPACITY) {
    return PERI_ELIMITED;
  }
  rows[count] = compression;
  count++;
  return 0;
}

int peri_compression_add(const peri_compression *compression) {
  pthread_mutex_lock(&adding);
  int rc = add(compression);
  pthread_mutex_unlock(&adding);
  return rc;
}

const peri_compression *peri_compression_by_name(const char *name) {
  for (size_t i = 0; i < count; i++) {
    if (strcmp(rows[i]->name, name) == 0) {
      return rows[i];
    }
  }
  return NULL;
}

const peri_compression *peri_compression_by_id(uint8_t id) {
  for (size_t i = 0; i < count; i++) {
    if (rows[i]->id == id) {
      return rows[i];
    }
  }
  return NULL;
}

const peri_compression *peri_compression_at(size_t n) {
  return n < count ? rows[n] : NULL;
}
