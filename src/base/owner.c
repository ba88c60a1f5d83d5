// SPDX-License-Identifier: MIT
#include "base/owner.h"

static _Thread_local char mark;

const void *peri_owner_self(void) {
  return &mark;
}
