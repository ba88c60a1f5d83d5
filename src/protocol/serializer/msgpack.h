// SPDX-License-Identifier: MIT
// What the two halves of the MessagePack codec share with its ops table. Extension types are
// refused both ways; a map key is any scalar.
#pragma once
#include "protocol/serializer.h"

void peri_msgpack_encoder_init(void *encoder, peri_buf *out, const peri_value_limits *limits,
                               peri_err *err, peri_sink *sink);
int peri_msgpack_encoder_finish(void *encoder);
int peri_msgpack_decode(peri_bytes in, const peri_value_limits *limits, peri_sink *sink,
                        size_t *used, peri_err *err);
