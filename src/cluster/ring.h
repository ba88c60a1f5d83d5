// SPDX-License-Identifier: MIT
// Consistent hashing with bounded loads: each node stands at many points of a circle, a key belongs
// to the first node after its own point that is not busier than its share allows. A node that comes
// or goes moves the keys next to its points and no others.
//
// A ring is built from a node list once, in time linear to its points; a look-up is a binary search.
// A ring belongs to one thread.
#pragma once
#include "cluster/node_ffi.h"
