// SPDX-License-Identifier: MIT
// JoyRPC's envelopes in Hessian: objects of the classes Invocation and ResponsePayload. Arguments
// and results share classes and references with what stands before them in the body, so they cannot
// be cut out of it: `args` and `result` of the envelopes are the whole body, and decoding one that
// begins with an envelope gives the list of arguments, or the result.
#pragma once
#include "protocol/serializer/hessian2/read.h"

int peri_hessian_read_request(peri_bytes body, const peri_value_limits *limits, peri_buf *scratch,
                              peri_envelope *out, peri_err *err);
int peri_hessian_read_reply(peri_bytes body, const peri_value_limits *limits, peri_buf *scratch,
                            peri_reply_envelope *out, peri_err *err);
int peri_hessian_begin_request(peri_buf *out, const peri_envelope *envelope);
int peri_hessian_end_request(peri_buf *out, const peri_envelope *envelope);
int peri_hessian_begin_reply(peri_buf *out, const peri_reply_envelope *envelope);
int peri_hessian_end_reply(peri_buf *out, const peri_reply_envelope *envelope);

// Whether a body begins with the class definition of an envelope.
bool peri_hessian_is_envelope(peri_bytes body);
// Feeds what the envelope carries to `sink`: arguments as one list without a class, or the result.
int peri_hessian_read_inner(peri_hessian_reader *reader, peri_sink *sink);
