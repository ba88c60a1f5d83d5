// SPDX-License-Identifier: MIT
// The parts of a body one by one, for protocols.
#include "protocol/serializer/hessian2/read.h"

void peri_hessian_reader_init(peri_hessian_reader *r, peri_bytes in,
                              const peri_value_limits *limits, peri_err *err) {
  r->at = r->start = in.ptr != NULL ? in.ptr : (const uint8_t *)"";
  r->end = r->start + in.len;
  r->err = err;
  r->limits = *limits;
  r->elements = limits->elements;
  r->refs = limits->refs;
  r->number = 0;
  r->stamp = peri_hessian_tables_begin(peri_hessian_reading());
  // Without this byte there is no reference, so nothing has to be remembered for one.
  r->labels = memchr(r->start, 'Q', in.len) != NULL;
  if (err != NULL) {
    err->code = 0;
  }
}

peri_hessian_kind peri_hessian_peek(const peri_hessian_reader *r) {
  return r->at == r->end ? PERI_HESSIAN_BAD : peri_hessian_kind_of(*r->at);
}

static int expect(peri_hessian_reader *r, peri_hessian_kind kind, const char *what,
                  hessian_tables **tables) {
  if (r->at == r->end) {
    return peri_hessian_truncated(r);
  }
  int rc = peri_hessian_mine(r, tables);
  return rc != 0 || peri_hessian_kind_of(*r->at) == kind ? rc : peri_hessian_bad(r, what);
}

int peri_hessian_read_string(peri_hessian_reader *r, peri_bytes *text) {
  hessian_tables *t = NULL;
  *text = (peri_bytes){NULL, 0};
  if (peri_hessian_peek(r) == PERI_HESSIAN_NULL) {
    r->at++;
    return 0;
  }
  int rc = expect(r, PERI_HESSIAN_STRING, "a string is expected", &t);
  return rc != 0 ? rc : peri_hessian_take_string(r, text);
}

int peri_hessian_read_int(peri_hessian_reader *r, int32_t *value) {
  hessian_tables *t = NULL;
  if (peri_hessian_peek(r) == PERI_HESSIAN_LONG) {
    int64_t wide;
    int rc = peri_hessian_take_long(r, &wide);
    if (rc == 0 && (wide < INT32_MIN || wide > INT32_MAX)) {
      rc = peri_hessian_bad(r, "an int is expected");
    }
    *value = rc == 0 ? (int32_t)wide : 0;
    return rc;
  }
  int rc = expect(r, PERI_HESSIAN_INT, "an int is expected", &t);
  return rc != 0 ? rc : peri_hessian_take_int(r, value);
}

int peri_hessian_read_object(peri_hessian_reader *r, peri_hessian_class *object) {
  hessian_tables *t = NULL;
  hessian_def *def = NULL;
  int rc = expect(r, PERI_HESSIAN_OBJECT, "an object is expected", &t);
  rc = rc != 0 ? rc : peri_hessian_take_object(r, t, &def);
  rc = rc != 0 ? rc : peri_hessian_spread(r, t, def);
  if (rc == 0) {
    *object = (peri_hessian_class){def->name, def->count, def->first};
  }
  return rc;
}

peri_bytes peri_hessian_field(const peri_hessian_reader *r, const peri_hessian_class *object,
                              uint32_t index) {
  (void)r;
  return peri_hessian_reading()->fields[object->first + index];
}

int peri_hessian_read_list(peri_hessian_reader *r, peri_bytes *type, size_t *count) {
  hessian_tables *t = NULL;
  peri_bytes name;
  int rc = expect(r, PERI_HESSIAN_LIST, "a list is expected", &t);
  rc = rc != 0 ? rc : peri_hessian_take_list(r, t, &name, count);
  if (rc == 0 && type != NULL) {
    *type = name;
  }
  return rc;
}

int peri_hessian_read_map(peri_hessian_reader *r, peri_bytes *type) {
  hessian_tables *t = NULL;
  peri_bytes name;
  int rc = expect(r, PERI_HESSIAN_MAP, "a map is expected", &t);
  rc = rc != 0 ? rc : peri_hessian_take_map(r, t, &name);
  if (rc == 0 && type != NULL) {
    *type = name;
  }
  return rc;
}

bool peri_hessian_read_end(peri_hessian_reader *r) {
  bool ends = r->at != r->end && *r->at == 'Z';
  r->at += ends;
  return ends;
}
