// SPDX-License-Identifier: MIT
// The serializers that are always there.
#pragma once
#include "protocol/serializer.h"

extern const peri_serializer peri_serializer_json;
extern const peri_serializer peri_serializer_msgpack;
extern const peri_serializer peri_serializer_raw;
extern const peri_serializer peri_serializer_hessian2;
extern const peri_serializer peri_serializer_hessian2_dubbo;
extern const peri_serializer peri_serializer_protostuff;
// Only decodes, and is not registered: JoyRPC's consumers negotiate in it and in nothing else.
extern const peri_serializer peri_serializer_java;
