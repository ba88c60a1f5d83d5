// SPDX-License-Identifier: MIT
// The first byte chooses the compression. Whatever comes, the output stays within its limit.
#include "base/mem.h"
#include "protocol/compression.h"

enum { MAX = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) {
    return 0;
  }
  size_t count = 0;
  while (peri_compression_at(count) != NULL) {
    count++;
  }
  const peri_compression *codec = peri_compression_at(data[0] % count);
  peri_buf plain = {0};
  int rc = codec->decompress((peri_bytes){data + 1, size - 1}, MAX, &plain);
  peri_check(plain.len <= MAX && plain.cap <= 4 * MAX);
  if (rc == 0) {
    peri_buf packed = {0};
    peri_buf again = {0};
    peri_bytes text = {plain.data, plain.len};
    peri_check(codec->compress(text, &packed) == 0);
    peri_check(codec->decompress((peri_bytes){packed.data, packed.len}, MAX, &again) == 0);
    peri_check(peri_bytes_equal(text, (peri_bytes){again.data, again.len}));
    peri_buf_fini(&packed);
    peri_buf_fini(&again);
  } else {
    peri_check(plain.len == 0);
  }
  peri_buf_fini(&plain);
  return 0;
}
