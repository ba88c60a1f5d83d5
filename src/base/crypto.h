// SPDX-License-Identifier: MIT
// The few primitives that authenticating a message needs, by libcrypto. Any thread.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PERI_SHA256_SIZE = 32 };

// Both write 32 bytes to `out`. False when libcrypto cannot (out of memory, SHA-256 forbidden).
bool peri_crypto_sha256(const void *data, size_t len, uint8_t out[PERI_SHA256_SIZE]);
bool peri_crypto_hmac_sha256(const void *key, size_t key_len, const void *data, size_t len,
                             uint8_t out[PERI_SHA256_SIZE]);
// Equal bytes? Takes as long whether they differ early, late or not at all; `len` is no secret.
bool peri_crypto_equal(const void *a, const void *b, size_t len);
