-- SPDX-License-Identifier: MIT
-- The handles a provider's filters and handlers hold: ctx, call and body. Each is a small value (slot,
-- generation, method) over state that C pools; touching one after its call is over raises. What Lua
-- adds to a call (state, decoded attachments, on_end functions) lives in a side table per slot.
local collect = require 'perilune.entry.collect'
local core = require 'perilune.core'
local errors = require 'perilune.error'
local ffi = require 'ffi'
local C = require 'perilune.ffi'

local M = {}

---@class perilune.Context
---@field side 'provider'|'consumer'  which end of the call this is
---@field call perilune.Call      the message
---@field deadline number         ms on perilune.clock() at which the caller gives up
---@field peer string             address of the other end
---@field is_local boolean        the peer is on this host
---@field identity string?        who authenticated
---@field session integer         number of the session, 0 = none
---@field trace table?            W3C trace context: trace_id, span_id, flags; map: JoyRPC's
---@field state table             for filters to hand data to handlers
---@field reply table             attachments that go back with the reply

---@class perilune.Call
---@field interface string
---@field alias string
---@field method string
---@field args table              decoded arguments; replaceable
---@field attachments table
---@field body perilune.Body      the arguments as they came
---@field serialization string
---@field plain boolean  values came without their types: in JSON, or from a generic consumer of Dubbo

---@class perilune.Body

-- Static facts of exported methods by number: { interface, alias, method, title }.
M.methods = {}
-- Arguments as a table by slot: of handlers with a variable number, and of calls whose filters looked
-- at call.args. false = none.
M.args = {}
-- Generation of the call in a slot, false when there is none; negative from when its filters have reached
-- the handler. What Lua asks before each look into a handle, without a call of C.
M.live = {}
-- Decoded arguments by position and slot; see entry/chain.lua.
M.arg_slots = {}
for i = 1, 8 do
  M.arg_slots[i] = {}
end

local methods, args_of = M.methods, M.args
local collectors = collect(M.arg_slots, true)
local sides = {}

local live, get = M.live, core.call_get
local server = ffi.cast('struct peri_server *', core.server)
local band = bit.band

local function alive(slot, gen)
  local current = live[slot]
  return current == gen or current == -gen
end

local function over(self, what)
  local method = methods[self.mid]
  error(('%s used after %s ended'):format(what, method and method.title or 'its call'), 3)
end

local function side_of(self)
  local slot = self.slot
  local side = sides[slot]
  if not side or side.gen ~= self.gen then
    -- A method taken from ctx before its call ended comes here unchecked.
    if not alive(slot, self.gen) then
      over(self, 'ctx')
    end
    side = { gen = self.gen }
    sides[slot] = side
  end
  return side
end

-- Ends what Lua keeps for a slot; runs on_end functions. Called by the chain when its call is over.
function M.close(slot)
  local side = sides[slot]
  if side then
    sides[slot] = false
    for _, fn in ipairs(side.on_end or {}) do
      local ok, message = xpcall(fn, debug.traceback)
      if not ok then
        core.log('error', 'ON-END', message)
      end
    end
  end
end
M.sides = sides

-- Tables indexed by slot start as arrays; one filled in any order would stay a hash for long.
local function fill(list)
  for slot = 0, 255 do
    list[slot] = false
  end
end

-- ── ctx ─────────────────────────────────────────────────────────────────────────────────────────

local Context, Call, Body

-- Slot and generation are doubles, as Lua's numbers are: compiled code then keeps what it already has.
local HANDLE = 'struct { double slot, gen; uint32_t mid; }'

local ctx_methods = {}

-- Has the peer, the deadline or a CANCEL ended this call? Returns the code's name, or nil.
function ctx_methods.cancelled(self)
  return get(self.slot, self.gen, 'gone') and 'CANCELLED' or core.cancelled()
end

-- Milliseconds until the caller gives up.
function ctx_methods.left(self)
  return get(self.slot, self.gen, 'timeout_left')
end

-- Calls `fn` when this call is over, however it ends.
function ctx_methods.on_end(self, fn)
  local side = side_of(self)
  side.on_end = side.on_end or {}
  table.insert(side.on_end, fn)
end

local ctx_fields = {
  side = function()
    return 'provider'
  end,
  call = function(self)
    return Call(self.slot, self.gen, self.mid)
  end,
  deadline = function(self)
    return core.clock() + get(self.slot, self.gen, 'timeout_left')
  end,
  state = function(self)
    local side = side_of(self)
    side.state = side.state or {}
    return side.state
  end,
  trace = function(self)
    local side = sides[self.slot]
    return side and side.gen == self.gen and side.trace or nil
  end,
  identity = function(self)
    local side = sides[self.slot]
    if side and side.gen == self.gen and side.identity then
      return side.identity
    end
    local text = C.peri_call_identity(server, self.slot, self.gen)
    return text ~= nil and ffi.string(text) or nil
  end,
  peer = function(self)
    local text = C.peri_call_peer(server, self.slot, self.gen)
    return text ~= nil and ffi.string(text) or nil
  end,
  reply = function(self)
    local side = side_of(self)
    side.reply = side.reply or {}
    return side.reply
  end,
}
-- Bits of src/entry/call_ffi.h.
for name, fact in pairs { is_local = 1, authenticated = 2, native = 4, oneway = 8 } do
  ctx_fields[name] = function(self)
    return band(C.peri_call_facts(server, self.slot, self.gen), fact) ~= 0
  end
end
for _, name in ipairs { 'session', 'session_attributes', 'waited' } do
  ctx_fields[name] = function(self)
    return get(self.slot, self.gen, name)
  end
end

local ctx_settable = { trace = true, identity = true }

local function reader(what, fields, functions)
  return function(self, key)
    if not alive(self.slot, self.gen) then
      over(self, what)
    end
    local field = fields[key]
    if field then
      return field(self)
    end
    local fn = functions and functions[key]
    if fn then
      return fn
    end
    error(
      ("%s has no field '%s'%s"):format(what, tostring(key), errors.suggest(tostring(key), fields)),
      2
    )
  end
end

local function writer(what, settable)
  return function(self, key, value)
    if not alive(self.slot, self.gen) then
      over(self, what)
    elseif not settable[key] then
      error(
        ('%s.%s cannot be set; put data of your own into ctx.state'):format(what, tostring(key)),
        2
      )
    end
    local set = settable[key]
    if set == true then
      side_of(self)[key] = value
    else
      set(self, value)
    end
  end
end

local function shower(what)
  return function(self)
    local method = methods[self.mid]
    return ('%s of %s'):format(what, method and method.title or '?')
  end
end

Context = ffi.metatype(HANDLE, {
  __index = reader('ctx', ctx_fields, ctx_methods),
  __newindex = writer('ctx', ctx_settable),
  __tostring = shower 'ctx',
})

-- ── call ────────────────────────────────────────────────────────────────────────────────────────

local function collect_args(self)
  local arity = methods[self.mid].arity
  if not args_of[self.slot] or not arity then
    return { Body(self.slot, self.gen, self.mid), n = 1 }
  end
  return collectors[arity](self.slot)
end

local call_fields = {
  interface = function(self)
    return methods[self.mid].interface
  end,
  alias = function(self)
    return methods[self.mid].alias
  end,
  method = function(self)
    -- That of a callback is named by who calls it.
    return methods[self.mid].method or get(self.slot, self.gen, 'method')
  end,
  args = function(self)
    local args = args_of[self.slot]
    if type(args) ~= 'table' then
      args = collect_args(self)
      args_of[self.slot] = args
    end
    return args
  end,
  attachments = function(self)
    local side = side_of(self)
    side.attachments = side.attachments or get(self.slot, self.gen, 'attachments')
    return side.attachments
  end,
  body = function(self)
    return Body(self.slot, self.gen, self.mid)
  end,
  serialization = function(self)
    return get(self.slot, self.gen, 'serializer')
  end,
  plain = function(self)
    return get(self.slot, self.gen, 'plain')
  end,
  idempotent = function(self)
    return methods[self.mid].idempotent
  end,
  timeout = function(self)
    return get(self.slot, self.gen, 'timeout_left')
  end,
}

local call_settable = {
  args = function(self, value)
    if type(value) ~= 'table' then
      error('call.args must be a table', 3)
    end
    args_of[self.slot] = value
  end,
  attachments = true,
}

Call = ffi.metatype(HANDLE, {
  __index = reader('call', call_fields),
  __newindex = writer('call', call_settable),
  __tostring = shower 'call',
})

-- ── body ────────────────────────────────────────────────────────────────────────────────────────

local body_methods = {}

-- The bytes as a string (a copy).
function body_methods.string(self)
  return core.call_body(self.slot, self.gen)
end
-- Count of bytes.
function body_methods.len(self)
  return get(self.slot, self.gen, 'body_len')
end
-- A part of the bytes as a string, positions as in string.sub.
function body_methods.slice(self, i, j)
  return core.call_body(self.slot, self.gen, i, j)
end
-- A copy that outlives the call.
function body_methods.keep(self)
  return core.call_body(self.slot, self.gen)
end

Body = ffi.metatype(HANDLE, {
  __index = function(self, key)
    if not alive(self.slot, self.gen) then
      over(self, 'body')
    end
    return body_methods[key]
      or error(
        ("body has no method '%s'%s"):format(
          tostring(key),
          errors.suggest(tostring(key), body_methods)
        ),
        2
      )
  end,
  __newindex = function()
    error('a body cannot be changed', 2)
  end,
  __len = function(self)
    return alive(self.slot, self.gen) and get(self.slot, self.gen, 'body_len') or over(self, 'body')
  end,
  __tostring = function(self)
    return alive(self.slot, self.gen) and core.call_body(self.slot, self.gen) or over(self, 'body')
  end,
})

M.Context, M.Call, M.Body = Context, Call, Body

-- The ctx of the call that the running fiber works for, or nil.
---@return perilune.Context?
function M.current()
  local slot, gen, mid = core.current()
  if slot then
    return Context(slot, gen, mid)
  end
end

fill(sides)
fill(M.args)
fill(M.live)
for _, list in ipairs(M.arg_slots) do
  fill(list)
end

return M
