// SPDX-License-Identifier: MIT
// The serialization of Dubbo's requests: never offered, only named by the events of this protocol.
#pragma once
#include "protocol/serializer.h"

extern const peri_serializer peri_serializer_dubbo;
extern const peri_serializer peri_serializer_dubbo_generic;
extern const peri_serializer peri_serializer_dubbo_generic_alone;
extern const peri_serializer peri_serializer_dubbo_json;
extern const peri_serializer peri_serializer_dubbo_json_generic;
