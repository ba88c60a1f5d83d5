// SPDX-License-Identifier: MIT
// Which addresses are those of this host (peri_node_is_local of node_ffi.h).
#pragma once
#include "cluster/node_ffi.h"
