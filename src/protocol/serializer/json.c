// SPDX-License-Identifier: MIT
#include "protocol/serializer/json.h"

#include "protocol/serializer/builtin.h"

const peri_serializer peri_serializer_json = {
    .name = "json",
    .provider = "",
    .id = PERI_SER_JSON,
    .self_typed = false,
    .encoder_init = peri_json_encoder_init,
    .encoder_finish = peri_json_encoder_finish,
    .decode = peri_json_decode,
    .read_request = peri_json_read_request,
    .read_reply = peri_json_read_reply,
    .begin_request = peri_json_begin_request,
    .end_request = peri_json_end_request,
    .begin_reply = peri_json_begin_reply,
    .end_reply = peri_json_end_reply,
};
