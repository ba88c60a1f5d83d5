-- SPDX-License-Identifier: MIT
-- The value adapter (src/lua/value.c) in this interpreter: perilune.null, array, bytes, typed,
-- class_of, and decode/encode/decode_args/encode_args/add as in spec/support/c/value_testing.c.
local c = require 'spec.support.c'

local path = c.build .. '/libperi_testing.so'

return assert(package.loadlib(path, 'luaopen_peri_value_testing'))()
