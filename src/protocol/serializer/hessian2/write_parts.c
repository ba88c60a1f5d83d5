// SPDX-License-Identifier: MIT
// Single values of a body, for protocols.
#include "protocol/serializer/hessian2/write.h"

int peri_hessian_write_end(void *memory) {
  const hessian_writer *w = memory;
  peri_buf_add_u8(w->out, 'Z');
  return 0;
}

int peri_hessian_write_string(void *memory, peri_bytes text) {
  return peri_hessian_writer_ops.string(memory, (const char *)text.ptr, text.len);
}

int peri_hessian_write_null(void *memory) {
  return peri_hessian_writer_ops.null(memory);
}

int peri_hessian_write_boolean(void *memory, bool value) {
  return peri_hessian_writer_ops.boolean(memory, value);
}

int peri_hessian_write_int(void *memory, int32_t value) {
  return peri_hessian_writer_ops.integer(memory, value);
}

void peri_hessian_writer_keep(void *memory) {
  hessian_writer *w = memory;
  w->t->kept = w->out;
  w->t->kept_at = w->out->len;
  w->t->kept_open = false;
}

void peri_hessian_writer_keep_open(void *memory) {
  hessian_writer *w = memory;
  peri_hessian_writer_keep(memory);
  w->t->kept_open = true;
}
