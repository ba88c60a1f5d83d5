// SPDX-License-Identifier: MIT
#include "base/crypto.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

bool peri_crypto_sha256(const void *data, size_t len, uint8_t out[PERI_SHA256_SIZE]) {
  return EVP_Digest(data, len, out, NULL, EVP_sha256(), NULL) == 1;
}

bool peri_crypto_hmac_sha256(const void *key, size_t key_len, const void *data, size_t len,
                             uint8_t out[PERI_SHA256_SIZE]) {
  return key_len <= INT_MAX && HMAC(EVP_sha256(), key, (int)key_len, data, len, out, NULL) != NULL;
}

bool peri_crypto_equal(const void *a, const void *b, size_t len) {
  return CRYPTO_memcmp(a, b, len) == 0;
}
