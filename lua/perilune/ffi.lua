-- SPDX-License-Identifier: MIT
-- Declares the C core's FFI functions once and returns them. Which functions there are stands in
-- src/<layer>/<module>_ffi.h and src/lua/ffi.h, between FFI-BEGIN and FFI-END.
local ffi = require 'ffi'

ffi.cdef(require 'perilune.ffi_cdef')

return ffi.C
