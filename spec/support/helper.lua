-- SPDX-License-Identifier: MIT
-- Runs once before all specs: a sanitizer's runtime is preloaded into this process only (children
-- that need it get it from spec/support/child.lua, which reads PERI_PRELOAD).
local ffi = require 'ffi'

ffi.cdef 'int unsetenv(const char *name);'
ffi.C.unsetenv('LD_PRELOAD')
