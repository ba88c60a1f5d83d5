// SPDX-License-Identifier: MIT
#include "protocol/serializer/msgpack.h"

#include "protocol/serializer/builtin.h"

const peri_serializer peri_serializer_msgpack = {
    .name = "msgpack",
    .provider = "",
    .id = PERI_SER_MSGPACK,
    .self_typed = true,
    .encoder_init = peri_msgpack_encoder_init,
    .encoder_finish = peri_msgpack_encoder_finish,
    .decode = peri_msgpack_decode,
};
