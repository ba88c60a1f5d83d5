// SPDX-License-Identifier: MIT
// Loads C plugins: shared objects that keep the contract of perilune.h. Process-wide; any thread.
#pragma once
#include "base/err.h"

// Loads the object at `path` as plugin `name` (perhaps "name@provider") of `point` and registers what
// it brings. Loading the same file again is success and does nothing. The object stays for good.
// PERI_ECONFIG when it is no plugin, one for another ABI, point or name; PERI_EALREADY_EXISTS when its
// name or id is taken; what its init() gave.
int peri_plugin_load(const char *path, const char *point, const char *name, peri_err *err);
