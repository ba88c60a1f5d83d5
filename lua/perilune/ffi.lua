-- SPDX-License-Identifier: MIT
-- Declares the C core's FFI functions once and returns them. Which functions there are stands in
-- src/<layer>/<module>_ffi.h and src/lua/ffi.h, between FFI-BEGIN and FFI-END.
local ffi = require 'ffi'

-- Declarations belong to the VM, modules may be loaded anew.
local registry = debug.getregistry()
if not registry['perilune.ffi'] then
  ffi.cdef(require 'perilune.ffi_cdef')
  registry['perilune.ffi'] = true
end

return ffi.C
