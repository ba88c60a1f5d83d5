-- SPDX-License-Identifier: MIT
-- What a Java type wants of a Lua value, and the value that carries the type on the wire. Types are
-- written as Java writes them: 'int', 'java.util.List<demo.Person>', 'byte[]'. What is typed or boxed
-- already goes as it is.
local arrived = require 'perilune.protocol.java_arrived'
local core = require 'perilune.core'
local java = require 'perilune.protocol.java'
local scalars = require 'perilune.protocol.java_scalars'

local class_of, null = core.class_of, core.null

---@class perilune.java.Type
---@field name string     as Java writes it, without type arguments
---@field primitive boolean
---@field callback? boolean  a function leaves, a callable object comes
---@field methods? table<string, table>  of a callback, as declared
---@field constants? string[]  of an enum
---@field to fun(value: any, seen: table): any, string?  what to send, or nil and what is wrong
---@field check fun(value: any, seen?: table): string?   what is wrong with a value that came
---@field open? boolean     takes anything
---@field kind? string      what JSON shows differently: 'bytes', 'enum', 'list' ...; see java_plain
---@field element? perilune.java.Type
---@field keys? perilune.java.Type
---@field values? perilune.java.Type
---@field fields? fun(): table<string, perilune.java.Type>

local M = {}

local wants = arrived.wants
local SCALARS = scalars.TYPES
M.PRIMITIVES = scalars.PRIMITIVES

-- ── collections ─────────────────────────────────────────────────────────────────────────────────

local is_table = arrived.is_table

-- A value inside another; null stays null.
local function item(kind, value, seen, place)
  if value == null or not kind then
    return value
  end
  local result, wrong = kind.to(value, seen)
  if wrong then
    return nil, place .. ': ' .. wrong
  end
  return result
end

-- Java's name of a list on the wire, nil for one without; what is made where an interface is wanted.
local LISTS = {}
local PLAIN_LISTS = {
  ['java.util.List'] = true,
  ['java.util.ArrayList'] = true,
  ['java.util.Collection'] = true,
  ['java.lang.Iterable'] = true,
}
local MAPS = { ['java.util.Map'] = '', ['java.util.HashMap'] = '' }

-- 'A B=C': A as it is, B as the C that is one.
local function declare(into, package, names)
  for name, made in names:gmatch '([%a]+)=?(%a*)' do
    into[package .. name] = package .. (made ~= '' and made or name)
  end
end

declare(
  LISTS,
  'java.util.',
  'Set=HashSet HashSet LinkedHashSet TreeSet SortedSet=TreeSet LinkedList'
)
declare(LISTS, 'java.util.', 'NavigableSet=TreeSet Queue=LinkedList Deque=LinkedList ArrayDeque')
declare(LISTS, 'java.util.', 'PriorityQueue Vector Stack')
declare(
  MAPS,
  'java.util.',
  'LinkedHashMap TreeMap SortedMap=TreeMap NavigableMap=TreeMap Hashtable'
)
declare(MAPS, 'java.util.', 'WeakHashMap IdentityHashMap Properties')

local CONCURRENT = 'java.util.concurrent.'
declare(LISTS, CONCURRENT, 'CopyOnWriteArrayList CopyOnWriteArraySet ConcurrentSkipListSet')
declare(LISTS, CONCURRENT, 'BlockingQueue=LinkedBlockingQueue LinkedBlockingQueue')
declare(LISTS, CONCURRENT, 'BlockingDeque=LinkedBlockingDeque LinkedBlockingDeque')
declare(LISTS, CONCURRENT, 'PriorityBlockingQueue ConcurrentLinkedQueue ConcurrentLinkedDeque')
declare(MAPS, CONCURRENT, 'ConcurrentMap=ConcurrentHashMap ConcurrentHashMap')
declare(MAPS, CONCURRENT, 'ConcurrentNavigableMap=ConcurrentSkipListMap ConcurrentSkipListMap')

local function list_of(name, class, element)
  local check = is_table(name)
  return {
    kind = 'list',
    element = element,
    check = arrived.list(name, element),
    to = function(value, seen)
      local wrong = check(value)
      if wrong or class_of(value) then
        return not wrong and value or nil, wrong
      end
      local copy = {}
      for i = 1, value.n or #value do
        copy[i], wrong =
          item(element, value[i] == nil and null or value[i], seen, ('[%d]'):format(i))
        if wrong then
          return nil, wrong
        end
      end
      return class and java.list(class, copy) or core.array(copy)
    end,
  }
end

local function map_of(name, class, keys, values)
  local check = is_table(name)
  return {
    kind = 'map',
    keys = keys,
    values = values,
    check = arrived.map(name, keys, values),
    to = function(value, seen)
      local wrong = check(value)
      if wrong or class_of(value) then
        return not wrong and value or nil, wrong
      end
      local copy = {}
      for key, content in pairs(value) do
        local place = ('[%s]'):format(tostring(key))
        -- Keys stay as they are: a box would not be found again.
        wrong = keys and keys.check(key)
        if not wrong then
          copy[key], wrong = item(values, content, seen, place)
        end
        if wrong then
          return nil, wrong
        end
      end
      return java.map(class, copy)
    end,
  }
end

-- ── objects ─────────────────────────────────────────────────────────────────────────────────────

local function enum_of(name, constants)
  local known = {}
  for _, constant in ipairs(constants) do
    known[constant] = true
  end
  local function wrong_name(value)
    local constant = type(value) == 'table' and value.name or value
    if type(constant) ~= 'string' then
      return wants('a constant of ' .. name, value)
    elseif #constants > 0 and not known[constant] then
      local all = table.concat(constants, ', ', 1, math.min(#constants, 20))
      return ("wants a constant of %s (%s), got '%s'"):format(name, all, constant)
    end
  end
  return {
    kind = 'enum',
    constants = constants,
    check = wrong_name,
    to = function(value)
      local wrong = wrong_name(value)
      if wrong or type(value) == 'table' then
        return not wrong and value or nil, wrong
      end
      return java.enum(name, value)
    end,
  }
end

-- Fields of a class and of those it extends, made when first asked for: classes may name each other.
local function fields_of(class, compile)
  if not class.types then
    class.types = {}
    for field, text in pairs(class.fields) do
      class.types[field] = compile(text)
    end
  end
  return class.types
end

local function object_of(name, class, compile, other)
  local check = is_table(name)
  local function fields()
    return fields_of(class, compile)
  end
  return {
    kind = class and 'object' or nil,
    fields = fields,
    check = arrived.object(name, class, fields, other),
    to = function(value, seen)
      local wrong = check(value)
      if wrong or class_of(value) then
        return not wrong and value or nil, wrong
      elseif seen[value] then
        return seen[value]
      end
      local copy = {}
      seen[value] = core.typed(name, copy)
      local types = class and fields_of(class, compile) or {}
      for field, content in pairs(value) do
        -- Dubbo's generic consumers name the class in the map itself.
        local named = field == 'class' and type(content) == 'string' and not types.class
        if class and not named and not types[field] then
          return nil, ('%s has no field %s'):format(name, tostring(field))
        end
        if not named then
          copy[field], wrong = item(types[field], content, seen, tostring(field))
        end
        if wrong then
          return nil, wrong
        end
      end
      return copy
    end,
  }
end

local function wildcard(text)
  return text:match '^%?%s*extends%s+(.+)$' or text:match '^%?' and 'java.lang.Object' or text
end

-- An interface whose methods the provider calls: functions leave, callable objects come.
local function callback_of(name, class)
  return {
    callback = true,
    methods = class.methods,
    check = function(value)
      if type(value) ~= 'userdata' or value == null then
        return wants(name, value)
      end
    end,
    to = function(value)
      local wrong = type(value) ~= 'function' and wants('a function for ' .. name, value) or nil
      return not wrong and value or nil, wrong
    end,
  }
end

-- The one interface of callbacks that JoyRPC has: `Callback<Query, Result>`.
local CALLBACK = 'io.joyrpc.Callback'

local function joyrpc_callback(query, result)
  local notify = query and { wildcard(query), returns = wildcard(result or '?') }
  return callback_of(CALLBACK, { methods = notify and { notify = notify } })
end

local function anything()
  return {
    open = true,
    check = function() end,
    to = function(value)
      return value
    end,
  }
end

-- Types whose Lua form is not settled by the class alone.
local OPEN =
  { ['java.lang.Object'] = true, ['java.io.Serializable'] = true, ['java.lang.Number'] = true }

-- ── names ───────────────────────────────────────────────────────────────────────────────────────

-- 'A, B<C, D>' -> { 'A', 'B<C, D>' }
local function split(text)
  local parts, depth, start = {}, 0, 1
  for at = 1, #text + 1 do
    local char = text:sub(at, at)
    depth = depth + (char == '<' and 1 or char == '>' and -1 or 0)
    if depth == 0 and (char == ',' or at == #text + 1) then
      parts[#parts + 1] = text:sub(start, at - 1):match '^%s*(.-)%s*$'
      start = at + 1
    end
  end
  return parts
end

-- The name, its type arguments as texts, and the count of array dimensions.
---@param text string
---@return string? name
---@return string[] arguments
---@return integer dimensions
function M.parse(text)
  local name, rest = text:match '^%s*([%w_.$]+)%s*(.-)%s*$'
  local dimensions = 0
  local arguments = {}
  if not name then
    return nil, arguments, 0
  end
  local inside, after = rest:match '^(%b<>)%s*(.*)$'
  if inside then
    arguments, rest = split(inside:sub(2, -2)), after
  end
  rest = rest:gsub('%[%s*%]', function()
    dimensions = dimensions + 1
    return ''
  end)
  if rest:match '%S' then
    return nil, arguments, 0
  end
  return name, arguments, dimensions
end

-- A type as Java's own getTypeName() writes it; without its arguments unless they are wanted.
---@param text string
---@param full boolean
---@return string
function M.text(text, full)
  local name, arguments, dimensions = M.parse(text)
  local parts = {}
  for i, argument in ipairs(full and arguments or {}) do
    local bound = argument:match '^%?%s*extends%s+(.+)$'
    parts[i] = bound and '? extends ' .. M.text(bound, true)
      or argument:match '^%?' and argument
      or M.text(argument, true)
  end
  local inside = #parts > 0 and ('<%s>'):format(table.concat(parts, ', ')) or ''
  return (name or text) .. inside .. ('[]'):rep(dimensions)
end

local HESSIAN_ARRAYS = { ['java.lang.String'] = '[string', ['java.lang.Object'] = '[object' }

-- Items of arrays have no handles: Java reads them as plain numbers.
local BARE = {
  short = function(number)
    return number
  end,
  float = java.double,
}

local function bare(kind, convert)
  return setmetatable({
    to = function(value)
      local box, wrong = kind.to(value)
      local number = box and rawget(box, 1)
      return type(number) == 'number' and convert(number) or box, wrong
    end,
  }, { __index = kind })
end

local function array_type(name, arguments, dimensions, compile)
  local element = name
  if #arguments > 0 then
    element = ('%s<%s>'):format(name, table.concat(arguments, ', '))
  end
  element = element .. ('[]'):rep(dimensions - 1)
  local class = ('['):rep(dimensions) .. (HESSIAN_ARRAYS[name] or '[' .. name):sub(2)
  local kind = compile(element)
  kind = BARE[element] and bare(kind, BARE[element]) or kind
  return list_of(name .. ('[]'):rep(dimensions), class, kind)
end

-- A class with type arguments: its fields with these in place of its parameters.
local function instance_of(class, arguments)
  if not class or not class.generic or #arguments == 0 then
    return class
  end
  local of, fields = {}, {}
  for i, name in ipairs(class.params) do
    of[name] = wildcard(arguments[i] or '?')
  end
  for field, text in pairs(class.generic) do
    fields[field] = text:gsub('[%w_.$]+', of)
  end
  return { fields = fields, order = class.order }
end

-- Makes types of texts; `classes` describe those with fields or constants:
-- { ['demo.Person'] = { fields = { name = 'java.lang.String' } }, ['demo.Color'] = { constants = {} },
-- ['demo.Listener'] = { methods = { heard = { 'java.lang.String' } } } }
---@param classes table<string, table>
---@return fun(text: string): perilune.java.Type
function M.compiler(classes)
  local cache = {}
  local compile

  local function other(name)
    local class = classes[name]
    return class and class.fields and compile(name) or nil
  end

  local function make(name, arguments, dimensions)
    local full = name .. ('[]'):rep(dimensions)
    if SCALARS[full] then
      return SCALARS[full](full)
    elseif dimensions > 0 then
      return array_type(name, arguments, dimensions, compile)
    end
    local function argument(i)
      return arguments[i] and compile(wildcard(arguments[i]))
    end
    if PLAIN_LISTS[name] or LISTS[name] then
      return list_of(name, LISTS[name], argument(1))
    elseif MAPS[name] then
      return map_of(name, MAPS[name], argument(1), argument(2))
    end
    local class = classes[name]
    if class and class.constants then
      return enum_of(name, class.constants)
    elseif class and class.methods then
      return callback_of(name, class)
    elseif name == CALLBACK then
      return joyrpc_callback(arguments[1], arguments[2])
    elseif OPEN[name] or not class and name:match '^java%.' or #name == 1 then
      return anything()
    end
    return object_of(name, instance_of(class, arguments), compile, other)
  end

  function compile(text)
    local found = cache[text]
    if not found then
      local name, arguments, dimensions = M.parse(text)
      if not name then
        error(("'%s' is no Java type"):format(tostring(text)), 0)
      end
      found = make(name, arguments, dimensions)
      found.name = name .. ('[]'):rep(dimensions)
      found.primitive = M.PRIMITIVES[name] ~= nil and dimensions == 0
      cache[text] = found
    end
    return found
  end
  return compile
end

return M
