-- SPDX-License-Identifier: MIT
-- Runs what somebody types: an expression or statements, in a VM and with globals of their own, where it
-- may wait. Read only, it is looked at before it runs: names, fields, literals and operators, no call,
-- no assignment; __index and operators of what it looks at are the script's own.
local core = require 'perilune.core'
local errors = require 'perilune.error'
local jit_util = require 'jit.util'
local show = require 'perilune.process.show'

local M = {}

local bcnames = require('jit.vmdef').bcnames

-- Bytecodes of expressions that change nothing.
local HARMLESS = {}
local NAMES =
  [[ISLT ISGE ISLE ISGT ISEQV ISNEV ISEQS ISNES ISEQN ISNEN ISEQP ISNEP ISTC ISFC IST ISF MOV NOT UNM
  LEN ADDVN SUBVN MULVN DIVVN MODVN ADDNV SUBNV MULNV DIVNV MODNV ADDVV SUBVV MULVV DIVVV MODVV POW CAT
  KSTR KSHORT KNUM KPRI KNIL GGET TGETV TGETS TGETB TDUP TNEW RET RET0 RET1 JMP FUNCF FUNCV]]
for name in NAMES:gmatch '%S+' do
  HARMLESS[name] = true
end

-- What a compiled chunk does besides looking, or nil.
local function reaches(chunk)
  local count = jit_util.funcinfo(chunk).bytecodes
  for pc = 1, count - 1 do
    local op = bit.band(jit_util.funcbc(chunk, pc), 0xff)
    local name = bcnames:sub(op * 6 + 1, op * 6 + 6):match '%S+'
    if not HARMLESS[name] then
      return name
    end
  end
end

-- The text as an expression, or as statements. Nil and why not; 'incomplete' when more is to come.
---@param text string
---@return function?
---@return string? message
function M.compile(text)
  text = text:gsub('^%s*=', 'return ')
  local chunk = loadstring('return ' .. text, '=input')
  if chunk then
    return chunk
  end
  local message
  chunk, message = loadstring(text, '=input')
  if chunk then
    return chunk
  end
  local _, wrong = loadstring('return ' .. text, '=input')
  for _, said in ipairs { message, wrong } do
    if said:find("near '<eof>'", 1, true) then
      return nil, 'incomplete'
    end
  end
  return nil, (message:gsub('^input:', 'line '))
end

-- What may be looked at by name in a running process.
local LOOKS = {
  metrics = function()
    return core.metrics()
  end,
  methods = function()
    return core.method_stats(1000)
  end,
  limits = function()
    return core.limits()
  end,
  exports = function()
    return require('perilune.entry.declare').declarations().exports
  end,
  refers = function()
    return require('perilune.entry.declare').declarations().refers
  end,
  fibers = function()
    return (core.fibers(100))
  end,
}

---@class perilune.Evaluator
---@field env table
local Evaluator = {}
Evaluator.__index = Evaluator

-- `out(text)` gets what is printed.
---@param out fun(text: string)
---@return perilune.Evaluator
function M.new(out)
  local env = { perilune = require 'perilune', loaded = package.loaded }
  function env.print(...)
    local words = {}
    for i = 1, select('#', ...) do
      words[i] = tostring((select(i, ...)))
    end
    out(table.concat(words, '\t'))
  end
  setmetatable(env, {
    __index = function(_, name)
      local value = _G[name]
      if value == nil and LOOKS[name] then
        return LOOKS[name]()
      end
      return value
    end,
  })
  return setmetatable({ env = env }, Evaluator)
end

local function traced(err)
  if errors.is(err) then
    return err
  end
  local trace = debug.traceback(tostring(err), 2)
  return (trace:gsub("\n%s*%[C%]: in function 'xpcall'.*", ''))
end

local function packed(...)
  return { n = select('#', ...), ... }
end

local function text_of(results)
  local parts = {}
  if results.n == 2 and results[1] == nil and errors.is(results[2]) then
    return nil, tostring(results[2])
  end
  for i = 1, results.n do
    parts[i] = show.value(results[i])
  end
  return table.concat(parts, '\n')
end

-- Runs a text. What it gives, as text; or nil and what went wrong ('incomplete': it goes on in the next
-- line).
---@async
---@param text string
---@param read_only? boolean
---@return string?
---@return string? message
function Evaluator:run(text, read_only)
  local chunk, message = M.compile(text)
  if not chunk then
    return nil, message
  end
  -- What is no expression could go round for ever.
  if read_only and (not loadstring('return ' .. text) or reaches(chunk)) then
    return nil, 'read only: names, fields and operators, no calls, no assignments; see --write'
  end
  local results = packed(xpcall(setfenv(chunk, self.env), traced))
  if not results[1] then
    return nil, tostring(results[2])
  end
  local values = { n = results.n - 1 }
  for i = 2, results.n do
    values[i - 1] = results[i]
  end
  return text_of(values)
end

-- ── completion ──────────────────────────────────────────────────────────────────────────────────

local KEYWORDS = {}
for word in
  ([[and break do else elseif end false for function if in local nil not or repeat return then true until
  while]]):gmatch '%a+'
do
  KEYWORDS[word] = true
end

-- A field without calling anything.
local function field(value, key)
  for _ = 1, 8 do
    if type(value) == 'table' then
      local found = rawget(value, key)
      if found ~= nil then
        return found
      end
    end
    local meta = debug.getmetatable(value)
    value = type(meta) == 'table' and rawget(meta, '__index') or nil
    if type(value) ~= 'table' then
      return nil
    end
  end
end

local function names_in(value, found)
  for _ = 1, 8 do
    if type(value) == 'table' then
      for key, item in next, value do
        if type(key) == 'string' and found[key] == nil then
          found[key] = item
        end
      end
    end
    local meta = debug.getmetatable(value)
    value = type(meta) == 'table' and rawget(meta, '__index') or nil
    if type(value) ~= 'table' then
      return
    end
  end
end

-- What stands at 'exports[1].methods', without calling anything but what may be looked at by name.
function Evaluator:_at(path)
  local first, rest = path:match '^([%w_]+)(.*)$'
  local value = rawget(self.env, first)
  if value == nil then
    value = _G[first]
  end
  if value == nil and LOOKS[first] then
    value = LOOKS[first]()
  end
  for mark, name in rest:gmatch '([.%[])([%w_]+)' do
    local key = name
    if mark == '[' then
      key = tonumber(name)
    end
    value = key and field(value, key)
  end
  return value
end

-- Words that may stand where the word before the cursor begins, sorted; and that part of the word which
-- is there already.
---@param before string  the text before the cursor
---@return string[] words
---@return string part
function Evaluator:complete(before)
  local path, separator, part = before:match '([%a_][%w_.%[%]]*)([.:])([%w_]*)$'
  local found = {}
  if path then
    names_in(self:_at(path), found)
  elseif before:match '[.:][%w_]*$' and not before:match '%.%.[%w_]*$' then
    part = '' -- of what is no path: it would have to run first
  else
    part = before:match '[%a_][%w_]*$' or ''
    for _, set in ipairs { self.env, _G, KEYWORDS, LOOKS } do
      for key, item in next, set do
        found[key] = item
      end
    end
  end
  local words = {}
  for key, item in pairs(found) do
    local fits = type(key) == 'string' and key:sub(1, #part) == part and key:match '^[%a_][%w_]*$'
    if fits and (separator ~= ':' or type(item) == 'function') then
      words[#words + 1] = key
    end
  end
  table.sort(words)
  return words, part
end

return M
