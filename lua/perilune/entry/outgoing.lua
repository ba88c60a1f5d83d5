-- SPDX-License-Identifier: MIT
-- The handles a consumer's filters and policies hold: ctx and call of a call we make. As on the
-- provider's side each is a small value (slot, generation, method), here over state kept in tables by
-- slot, so that a call which nobody looks at leaves no garbage. Touching one after its call raises.
local collect = require 'perilune.entry.collect'
local context = require 'perilune.entry.context'
local core = require 'perilune.core'
local ffi = require 'ffi'
require 'perilune.fiber' -- makes core.clock the one that compiled code can read

local clock = core.clock
local type = type

local M = {}

-- Most arguments that are kept as values; calls with more carry a table.
M.VALUES = 8

-- By slot: generation; deadline (ms), or the next free slot while free; what was set on the handles
-- ({ ctx = {}, call = {} }), false for most calls.
local gens, deadlines, extras = {}, {}, {}
-- Arguments by position and slot, as many positions as any method was called with.
local values = {}
-- The arguments as a table, once somebody looked at call.args or replaced them; else false.
local args_of = {}
local collectors = collect(values, false)
-- By the number in a handle: { proto, count, title, fields } of a method called with so many arguments. They
-- live as long as the function of the method: perilune.with makes one for each proxy.
local facts = setmetatable({}, { __mode = 'v' })
local facts_of = setmetatable({}, { __mode = 'k' }) ---@type table<function, table>
local last = 0 -- number given last
-- By the same number: what a call of it has by name, values of its proto and functions(call) that make
-- one.
local fields_of = setmetatable({}, { __mode = 'v' })
local call_fields = {}

-- Generation of the call whose chain has not come to its end yet, or false; only where methods need it.
local begun = {}

M.gens, M.deadlines, M.extras, M.values, M.begun = gens, deadlines, extras, values, begun
M.args = args_of

-- First free slot, 0 = none.
M.free = 0

-- A slot beyond those there are, in use.
---@return integer
function M.grow()
  local slot = #gens + 1
  gens[slot], deadlines[slot], extras[slot], args_of[slot] = 0, 0, false, false
  for i = 1, #values do
    values[i][slot] = false
  end
  if M.watched then
    begun[slot] = false
  end
  return slot
end

-- Makes room in `begun`.
function M.watch()
  for slot = 1, M.watched and 0 or #gens do
    begun[slot] = false
  end
  M.watched = true
end

local function next_number()
  repeat
    last = last % 4294967295 + 1
  until not facts[last]
  return last
end

-- The function of a method called with `count` arguments, as `make` gives it for the method's number.
---@param proto table    what all its calls have in common
---@param count integer
---@param make fun(mid: integer): function
---@return function
function M.add(proto, count, make)
  for i = #values + 1, math.min(count, M.VALUES) do
    values[i] = {}
    for slot = 1, #gens do
      values[i][slot] = false
    end
  end
  local fields = {}
  for _, source in ipairs { proto, call_fields } do
    for key, value in pairs(source) do
      fields[key] = value
    end
  end
  local title, mid = proto.interface .. '.' .. proto.method, next_number()
  local own = { proto = proto, count = count, title = title, fields = fields }
  facts[mid], fields_of[mid] = own, fields
  local fn = make(mid)
  facts_of[fn] = own
  return fn
end
jit.off(M.add) -- runs once for each method: its traces would be in the way of others

local function extra_of(slot)
  local extra = extras[slot]
  if not extra then
    extra = { ctx = {}, call = {} }
    extras[slot] = extra
  end
  return extra
end

local function title_of(self)
  local own = facts[self.mid]
  return own and own.title or 'a call'
end

local function over(self, what)
  error(('%s used after %s ended'):format(what, title_of(self)), 3)
end

-- ── ctx ─────────────────────────────────────────────────────────────────────────────────────────

local Context, Call

local ctx_methods = {}

-- Milliseconds until we give up.
function ctx_methods.left(self)
  local left = self.deadline - clock()
  return left > 0 and left or 0
end

function ctx_methods.cancelled()
  return core.cancelled()
end

-- Calls `fn` when this call is over, however it ends.
function ctx_methods.on_end(self, fn)
  local list = self._on_end or {}
  self._on_end = list
  list[#list + 1] = fn
end

local ctx_fields = {
  side = function()
    return 'consumer'
  end,
  call = function(self)
    return Call(self.slot, self.gen, self.mid)
  end,
  deadline = function(self)
    local extra = extras[self.slot]
    if extra and extra.call.timeout then -- a filter gave it another
      return self.began + extra.call.timeout
    end
    return deadlines[self.slot]
  end,
  began = function(self)
    return deadlines[self.slot] - facts[self.mid].proto.timeout
  end,
  state = function(self)
    self.state = {}
    return self.state
  end,
  trace = function(self)
    local serving = context.current()
    self.trace = serving and serving.trace or false
    return self.trace
  end,
}

-- A table like the handle, for attempts beside each other: what one does to it must not reach another,
-- nor one that ends late the call. It lives as long as somebody holds it.
local function copied(fields, meta)
  local copy = {}
  for key, value in pairs(fields) do
    copy[key] = value
  end
  return setmetatable(copy, meta)
end

local copy_meta = {
  __index = ctx_methods,
  __tostring = function(self)
    return ('ctx of %s.%s'):format(self.call.interface, self.call.method)
  end,
}

function ctx_fields._copy(self)
  local copy = copied(extra_of(self.slot).ctx, copy_meta)
  for _, key in ipairs { 'side', 'call', 'deadline', 'began', 'trace' } do
    copy[key] = self[key]
  end
  return copy
end

-- What a handle keeps on its slot under `part`.
local function writer(what, part)
  return function(self, key, value)
    if gens[self.slot] ~= self.gen then
      over(self, what)
    elseif key == 'args' and part == 'call' then
      args_of[self.slot] = value or false
    else
      extra_of(self.slot)[part][key] = value
    end
  end
end

Context = ffi.metatype('struct { uint32_t slot, gen, mid; }', {
  __index = function(self, key)
    if gens[self.slot] ~= self.gen then
      over(self, 'ctx')
    end
    local extra = extras[self.slot]
    if extra and extra.ctx[key] ~= nil then
      return extra.ctx[key]
    end
    local method = ctx_methods[key]
    if method then
      return method
    end
    local field = ctx_fields[key]
    return field and field(self)
  end,
  __newindex = writer('ctx', 'ctx'),
  __tostring = function(self)
    return 'ctx of ' .. title_of(self)
  end,
})

-- ── call ────────────────────────────────────────────────────────────────────────────────────────

function call_fields.args(self)
  local slot = self.slot
  local args = args_of[slot]
  if not args then
    args = collectors[facts[self.mid].count](slot)
    args_of[slot] = args
  end
  return args
end

function call_fields.attachments(self)
  self.attachments = {}
  return self.attachments
end

-- Those there are, if somebody asked for them.
function call_fields._attachments(self)
  local extra = extras[self.slot]
  return extra and extra.call.attachments or nil
end

Call = ffi.metatype('struct { uint32_t slot, gen, mid; }', {
  __index = function(self, key)
    if gens[self.slot] ~= self.gen then
      over(self, 'call')
    end
    local extra = extras[self.slot]
    if extra and extra.call[key] ~= nil then
      return extra.call[key]
    end
    local field = fields_of[self.mid][key]
    if type(field) == 'function' then
      return field(self)
    end
    return field
  end,
  __newindex = writer('call', 'call'),
  __tostring = function(self)
    return 'call of ' .. title_of(self)
  end,
})

function call_fields._copy(self)
  local own = facts[self.mid]
  local meta = {
    __index = own.proto,
    __tostring = function()
      return 'call of ' .. own.title
    end,
  }
  local copy = copied(extra_of(self.slot).call, meta)
  copy.args = self.args
  return copy
end

M.Context, M.Call = Context, Call

-- ── the life of a call ──────────────────────────────────────────────────────────────────────────

-- Sets a field of the handle kept for `part`, before the call has any.
---@param slot integer
---@param part 'ctx'|'call'
function M.put(slot, part, key, value)
  extra_of(slot)[part][key] = value
end

-- The end of a call that had something set on its handles: runs its on_end functions.
---@param slot integer
function M.close(slot)
  local extra = extras[slot]
  for _, fn in ipairs(extra.ctx._on_end or {}) do
    local ok, message = xpcall(fn, debug.traceback)
    if not ok then
      core.log('error', 'ON-END', message)
    end
  end
  extras[slot] = false
end

return M
