// SPDX-License-Identifier: MIT
// The Dubbo machine, in Hessian and fastjson.
#include "machine_fuzz.h"
#include "protocol/dubbo/dubbo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  return fuzz_machine(&peri_dubbo, data, len, NULL);
}
