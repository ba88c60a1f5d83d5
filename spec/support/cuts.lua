-- SPDX-License-Identifier: MIT
-- Recorded messages as a bad peer sends them: cut at any byte, byte by byte, with lengths that lie.
--
--   local it_ = cuts.new(start, side)   start() -> rig and what it heard so far; `side` sends
--   it_:whole(message)                  what is heard of it, and what is said
--   it_:byte_by_byte(message)           the same, and that nothing was heard before the last byte
--   it_:cut(message)                    the peer ends after each byte: only the end is heard
local luassert = require 'luassert'

local p = require 'spec.support.protocol'

local M = {}

---@class peri.spec.Cuts
local Cuts = {}
Cuts.__index = Cuts

---@param start fun(): table  a rig
---@param side integer  who sends
---@return peri.spec.Cuts
function M.new(start, side)
  return setmetatable({ start = start, side = side, other = 1 - side }, Cuts)
end

function Cuts:_begin()
  local rig = self.start()
  rig:pump()
  rig:news(self.other)
  return rig, #rig:wire(self.other)
end

function Cuts:_end(rig, said)
  local heard, wire = rig:news(self.other), rig:wire(self.other):sub(said + 1)
  luassert.equal(0, rig:free())
  return heard, wire
end

---@param message string
---@return string heard
---@return string said
function Cuts:whole(message)
  local rig, said = self:_begin()
  rig:send(self.side, message):pump()
  return self:_end(rig, said)
end

function Cuts:byte_by_byte(message)
  local rig, said = self:_begin()
  for at = 1, #message - 1 do
    rig:send(self.side, message:sub(at, at)):pump()
    luassert.equal('', rig:news(self.other), at)
  end
  rig:send(self.side, message:sub(-1)):pump()
  return self:_end(rig, said)
end

function Cuts:cut(message)
  for len = 1, #message - 1 do
    local rig, said = self:_begin()
    rig.raw.side[self.side].drop = #rig:wire(self.side) + len
    rig:send(self.side, message):pump()
    local heard, wire = self:_end(rig, said)
    luassert.equal('', wire, len)
    luassert.truthy(
      heard:gsub('DONE %d+ CLOSED[^\n]*\n', ''):find '^CLOSED %u+\n$',
      len .. ': ' .. heard
    )
  end
end

-- The message with another number in a field: every way in which a length lies.
---@param message string
---@param at integer    first byte of the field, from 1
---@param size integer  of the field, bytes
---@return table<string, string>
function M.lies(message, at, size)
  local function with(field)
    return message:sub(1, at - 1) .. field .. message:sub(at + size)
  end
  return {
    ['0'] = with(('\0'):rep(size)),
    ['-1'] = with(('\xFF'):rep(size)),
    max = with('\x7F' .. ('\xFF'):rep(size - 1)),
  }
end

M.UP, M.DOWN = p.UP, p.DOWN

return M
