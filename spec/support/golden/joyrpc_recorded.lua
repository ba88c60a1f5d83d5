-- SPDX-License-Identifier: MIT
-- Frames between stock JoyRPC peers (joyrpc.txt, written by spec/interop/record_spec.lua), by name:
-- SERIALIZATION.METHOD.N.request and .response (and what is said beside calls). Their session is 1.
local c = require 'spec.support.c'
local unhex = require('spec.support.hex').decode

local M = {}

M.HEADER = 24 -- bytes
M.frames = {}

for line in io.lines(c.root .. '/spec/support/golden/joyrpc.txt') do
  local name, hex = line:match '^(%l+%.%S+) (%x+)$'
  if name then
    M.frames[name] = unhex(hex)
  end
end

return M
