-- SPDX-License-Identifier: MIT
-- `perilune.interface`: the Java types of a service, for export and refer. Arguments are checked where
-- they arrive and get their types where they leave, so do results.
local core = require 'perilune.core'
local errors = require 'perilune.error'
local java_plain = require 'perilune.protocol.java_plain'
local java_text = require 'perilune.protocol.java_text'
local java_types = require 'perilune.protocol.java_types'

local M = {}

---@class perilune.Interface
---@field name string
---@field methods table<string, perilune.Interface.Method>

---@class perilune.Interface.Method  parameter types by position
---@field parameters perilune.java.Type[]
---@field types string[]                   names of their classes, as Java calls them
---@field names string[]                   of the parameters, where known
---@field returns? perilune.java.Type      nil: nothing
---@field result string                    what Java calls the result's type, with its arguments
---@field throws string[]
---@field caller? function              calls it, where it is one of a callback

local Interface = {}
Interface.__index = Interface
Interface.__name = 'perilune.Interface'
function Interface.__tostring(self)
  return self.name
end

---@param value any
---@return boolean
function M.is(value)
  return type(value) == 'table' and getmetatable(value) == Interface
end

local function refuse(place, message)
  error(('%s: perilune.interface: %s'):format(place, message), 0)
end

local function method_of(name, given, compile, place)
  if type(given) ~= 'table' then
    refuse(place, ('methods.%s must list the types of its parameters'):format(tostring(name)))
  end
  local method =
    { parameters = {}, types = {}, names = given.names or {}, throws = given.throws or {} }
  for i, text in ipairs(given) do
    method.parameters[i] = compile(text)
    method.types[i] = given.erased and given.erased[i] or method.parameters[i].name
  end
  local returns = given.returns
  -- Java knows the arguments of what its methods return, not of what is in a future.
  method.result = java_types.text(returns or 'void', not given.async)
  if returns and returns ~= 'void' and returns ~= 'java.lang.Void' then
    method.returns = compile(returns)
  end
  return method
end

-- The names of a class' fields in order, and their types; nil where no order is given.
local function ordered(class)
  if not class.order then
    return nil
  end
  local types = {}
  for i, field in ipairs(class.order) do
    types[i] = class.fields[field]
  end
  return class.order, types
end

-- For serializations that need more of a class than what stands in the bytes.
local function declare_classes(classes, place)
  for name, class in pairs(classes) do
    local names, types = class.constants, nil
    if not names then
      names, types = ordered(class)
    end
    if names then
      local ok, message = core.declare_class(name, names, types)
      if not ok then
        refuse(place, message)
      end
    end
  end
end

-- { { 'name', 'java.lang.String' }, ... } tells the order of the fields too.
local function with_order(class)
  local fields, order = class.fields or class, class.order
  if type(fields[1]) == 'table' then
    local named = {}
    order = {}
    for i, field in ipairs(fields) do
      order[i], named[field[1]] = field[1], field[2]
    end
    fields = named
  end
  return { fields = fields, order = order, params = class.params, generic = class.generic }
end

-- Java types of a service: a table, or a Java interface as text.
---@param spec string|{name: string, methods: table<string, table>, classes?: table<string, table>}
---@return perilune.Interface
function M.new(spec)
  local place = require('perilune.plugin').place()
  if type(spec) == 'string' then
    local ok, found = pcall(java_text.read, spec)
    if not ok then
      error(('%s: %s'):format(place, tostring(found)), 0)
    end
    spec = found
  elseif type(spec) ~= 'table' or type(spec.name) ~= 'string' or type(spec.methods) ~= 'table' then
    refuse(place, 'wants { name = ..., methods = { ... } }, or the text of a Java interface')
  end
  local classes = {}
  for name, class in pairs(spec.classes or {}) do
    local constants = class.constants or type(class[1]) == 'string' and class or nil
    classes[name] = class.methods and class
      or constants and { constants = constants }
      or with_order(class)
  end
  local compile = java_types.compiler(classes)
  local made = { name = spec.name, methods = {}, classes = classes, compile = compile }
  for name, given in pairs(spec.methods) do
    local ok, method = pcall(method_of, name, given, compile, place)
    if not ok then
      refuse(place, ('methods.%s: %s'):format(tostring(name), tostring(method)))
    end
    made.methods[name] = method
  end
  declare_classes(classes, place)
  return setmetatable(made, Interface)
end

-- Takes an interface out of the options of an export or refer, in a copy of them.
---@param spec table
---@return table spec
---@return perilune.Interface?
function M.split(spec)
  if type(spec) ~= 'table' or not M.is(spec.interface) then
    return spec, nil
  end
  local copy = {}
  for key, value in pairs(spec) do
    copy[key] = value
  end
  copy.interface = spec.interface.name
  return copy, spec.interface
end

-- ── code for a method ───────────────────────────────────────────────────────────────────────────

local function argument_name(method, i)
  local name = method.names[i]
  return name and ('argument %d (%s)'):format(i, name) or ('argument %d'):format(i)
end

local function wrong_argument(title, method, i, message, outcome)
  local text = ('%s: %s %s'):format(title, argument_name(method, i), message)
  return errors.new('BAD_REQUEST', text, outcome and { outcome = outcome } or nil)
end

local function numbered(format, count, first)
  local parts = { first }
  for i = 1, count do
    parts[#parts + 1] = format:format(i)
  end
  return table.concat(parts, ', ')
end

local function missing(parameter)
  return parameter.primitive and ('wants %s, got nothing'):format(parameter.name) or nil
end

-- The parameters that JSON shows differently; who calls tells by `ctx` in what they came.
local function plain_of(method)
  local plain = {}
  for i, parameter in ipairs(method.parameters) do
    plain[i] = java_plain.matters(parameter)
  end
  return plain
end

-- Collections and arrays of Java name their own class, not that of what is in them.
local function could_be_plain(value)
  local kind = type(value)
  local class = kind == 'table' and core.class_of(value)
  return kind == 'string'
    or kind == 'number'
    or kind == 'table' and (not class or class:find '^java%.util%.' or class:byte() == 91)
end

-- Binary data and the like came as strings, objects without their class.
local PLAIN = [[
  if could_be_plain(a#) and first.call.plain then a# = from(type_#, a#) end]]

local MOST = 60 -- parameters; Lua has no more room for locals and upvalues

-- A function around another that looks at each parameter; the number of parameters stays its own.
local function generate(title, method, body_of, env)
  local out = { 'local env, method, wrong_argument, missing, title = ...' }
  local count = #method.parameters
  for i = 1, count do
    out[#out + 1] = ('local type_%d = method.parameters[%d]'):format(i, i)
  end
  out[#out + 1] = 'local fn, result_of, from, could_be_plain ='
    .. ' env.fn, env.result_of, env.from, env.could_be_plain'
  out[#out + 1] = ('return function(%s)'):format(numbered('a%d', count, 'first'))
  out[#out + 1] = '  local wrong'
  for i = 1, count do
    out[#out + 1] = env.plain and env.plain[i] and PLAIN:gsub('#', tostring(i)) or nil
    out[#out + 1] = body_of(method.parameters[i]):gsub('#', tostring(i))
  end
  out[#out + 1] = ('  return result_of(fn(%s))\nend'):format(numbered('a%d', count, 'first'))
  local chunk = assert(loadstring(table.concat(out, '\n'), '=types ' .. title))
  return chunk(env, method, wrong_argument, missing, title)
end

local function too_many(title, method)
  if #method.parameters > MOST then
    error(('%s: at most %d parameters'):format(title, MOST), 0)
  end
end

local ARRIVES = [[
  if a# == nil then wrong = missing(type_#) else wrong = type_#.check(a#) end
  if wrong then return nil, wrong_argument(title, method, #, wrong) end]]

local LEAVES = [[
  if a# == nil then wrong = missing(type_#) else a#, wrong = type_#.to(a#, {}) end
  if wrong then return nil, wrong_argument(title, method, #, wrong, 'NOT_SENT') end]]

-- ── callbacks ───────────────────────────────────────────────────────────────────────────────────

local declared = setmetatable({}, { __mode = 'k' }) -- callable object -> its interface

-- What a callable object's interface declares, or nil. `only` is the method when there is one.
---@param callback userdata
---@return perilune.Interface?
function M.of_callback(callback)
  return declared[callback]
end

local function declare(callback, parameter, compile)
  local made = parameter.interface
  if not made then
    made = { name = parameter.name, methods = {} }
    for name, given in pairs(parameter.methods) do
      made.methods[name] = method_of(name, given, compile, parameter.name)
    end
    local name = next(made.methods)
    made.only = name and next(made.methods, name) == nil and name or nil
    parameter.interface = setmetatable(made, Interface)
  end
  declared[callback] = made
end

-- ── handlers and callers ────────────────────────────────────────────────────────────────────────

-- A callback is told how its declared methods are called.
local DECLARED = ARRIVES .. [[

  if a# ~= nil then env.declare(a#, type_#) end]]

-- The handler with checked arguments and a typed result.
---@param interface perilune.Interface
---@param name string
---@param handler function
---@return function
function M.handler(interface, name, handler)
  local method, title = interface.methods[name], interface.name .. '.' .. name
  too_many(title, method)
  local returns = method.returns
  local function result_of(result, err)
    if err ~= nil then
      return nil, err
    elseif result == nil or not returns then
      if returns and returns.primitive then
        return nil, errors.new('INTERNAL', ('%s returned nothing: %s'):format(title, returns.name))
      end
      return nil
    end
    local made, wrong = returns.to(result, {})
    if wrong then
      return nil, errors.new('INTERNAL', ('the result of %s %s'):format(title, wrong))
    end
    return made
  end
  return generate(title, method, function(parameter)
    return parameter.methods and DECLARED or ARRIVES
  end, {
    fn = handler,
    result_of = result_of,
    declare = function(callback, parameter)
      declare(callback, parameter, interface.compile)
    end,
    plain = plain_of(method),
    from = java_plain.from,
    could_be_plain = could_be_plain,
  })
end

-- The remote method with arguments that are checked and typed before they leave.
---@param interface perilune.Interface
---@param name string
---@param call function
---@param json? boolean  results come in JSON
---@return function
function M.caller(interface, name, call, json)
  local method, title = interface.methods[name], interface.name .. '.' .. name
  too_many(title, method)
  local returns = method.returns
  local converts = json and returns and java_plain.matters(returns)
  local function result_of(result, ...)
    if converts and result ~= nil then
      return java_plain.from(returns, result), ...
    end
    return result, ...
  end
  return generate(title, method, function()
    return LEAVES
  end, { fn = call, result_of = result_of })
end

local numbers = {}

-- A number for the types of a method's parameters, for core.request's flags; 0 where none is known.
---@param interface perilune.Interface?
---@param name string
---@return integer
function M.types_number(interface, name)
  local method = interface and interface.methods[name]
  if not method then
    return 0
  end
  local key = table.concat(method.types, ',')
  numbers[key] = numbers[key] or core.argument_types(core.array { unpack(method.types) })
  return numbers[key]
end

-- What an export leaves out of its interface or has beyond it, or nil.
---@param interface perilune.Interface
---@param names string[]
---@return string? message
function M.uncovered(interface, names)
  for _, name in ipairs(names) do
    if not interface.methods[name] then
      local near = errors.suggest(name, interface.methods)
      return ("interface %s declares no method '%s'%s"):format(interface.name, name, near)
    end
  end
end

return M
