-- SPDX-License-Identifier: MIT
-- A small part of Java's syntax: interfaces, and the classes and enums in their signatures.
--
--   package demo;
--   import other.Thing;
--   interface Probe { String sayHello(String name) throws Failed; void watch(Listener listener);
--     interface Listener { void heard(String text); } }
--   class Person { String name; List<Person> friends; }
--   enum Color { RED, GREEN }
local types = require 'perilune.protocol.java_types'

local M = {}

local KNOWN = {}
for package, names in pairs {
  ['java.lang'] = 'Object String CharSequence Boolean Byte Short Integer Long Float Double '
    .. 'Character Number Iterable Exception RuntimeException Throwable Void',
  ['java.util'] = 'List ArrayList LinkedList Collection Set HashSet LinkedHashSet TreeSet Map '
    .. 'HashMap LinkedHashMap TreeMap Date UUID Optional Locale Currency',
  ['java.util.concurrent'] = 'CompletableFuture CompletionStage Future ConcurrentHashMap',
  ['java.math'] = 'BigDecimal BigInteger',
  ['java.io'] = 'Serializable',
  ['java.time'] = 'Instant Duration LocalDate LocalTime LocalDateTime ZonedDateTime OffsetDateTime '
    .. 'OffsetTime Period Year YearMonth MonthDay ZoneId ZoneOffset',
  ['io.joyrpc'] = 'Callback',
} do
  for name in names:gmatch '%S+' do
    KNOWN[name] = package .. '.' .. name
  end
end

local FUTURES = {
  ['java.util.concurrent.CompletableFuture'] = true,
  ['java.util.concurrent.CompletionStage'] = true,
  ['java.util.concurrent.Future'] = true,
}

local function clean(text)
  text = text:gsub('/%*.-%*/', ' '):gsub('//[^\n]*', ' ')
  text = text:gsub('@[%w_.]+%s*%b()', ' '):gsub('@[%w_.]+', ' ')
  return text
end

local function bad(what, text)
  error(('perilune.interface: cannot read %s: %s'):format(what, text:match '^%s*(.-)%s*$'), 0)
end

-- Full names, of the type and its arguments.
local function resolver(package, imports)
  local primitives = types.PRIMITIVES
  return function(text)
    return (
      text:gsub('[%w_.$]+', function(name)
        if name:find('.', 1, true) or primitives[name] or name == 'void' or name == 'extends' then
          return name
        end
        local full = imports[name] or KNOWN[name]
        return full or #name > 1 and package ~= '' and package .. '.' .. name or name
      end)
    )
  end
end

local function split_declaration(text)
  text = text:gsub('%f[%w]final%f[%W]', ' ')
  local kind, name = text:match '^%s*(.-)%s*([%w_$]+)%s*$'
  if not kind or kind == '' then
    bad('a declaration', text)
  end
  return (kind:gsub('%.%.%.$', '[]')), name
end

local function each_parameter(text, fn)
  local depth, start = 0, 1
  for at = 1, #text + 1 do
    local char = text:sub(at, at)
    depth = depth + (char == '<' and 1 or char == '>' and -1 or 0)
    if depth == 0 and (char == ',' or at == #text + 1) then
      local part = text:sub(start, at - 1)
      if part:match '%S' then
        fn(part)
      end
      start = at + 1
    end
  end
end

local function read_method(text, resolve)
  local head, parameters, rest = text:match '^%s*(.-)%s*(%b())%s*(.*)$'
  if not head then
    bad('a method', text)
  end
  head = head:gsub('^public%s+', ''):gsub('^abstract%s+', '')
  local returns, name = split_declaration(head)
  local method = { names = {}, throws = {} }
  each_parameter(parameters:sub(2, -2), function(part)
    local kind, parameter = split_declaration(part)
    method[#method + 1], method.names[#method + 1] = resolve(kind), parameter
  end)
  method.returns = resolve(returns)
  local outer, inner = types.parse(method.returns)
  if FUTURES[outer] then
    method.returns, method.async = inner[1] or 'java.lang.Object', true
  end
  for exception in (rest:match '^throws%s+(.*)$' or ''):gmatch '[%w_.$]+' do
    method.throws[#method.throws + 1] = resolve(exception)
  end
  return name, method
end

local function read_interface(body, resolve)
  local methods = {}
  for text in body:gmatch '([^;]+);' do
    if text:match '%S' then
      local name, method = read_method(text, resolve)
      if methods[name] then
        error(('perilune.interface: method %s is declared twice'):format(name), 0)
      end
      methods[name] = method
    end
  end
  return methods
end

local function read_class(body, resolve)
  local fields = {}
  local order = {}
  for text in body:gmatch '([^;]+);' do
    local modifiers = ' ' .. text .. ' '
    if
      text:match '%S'
      and not modifiers:match '%sstatic%s'
      and not modifiers:match '%stransient%s'
    then
      text = text:gsub('%f[%w]private%f[%W]', ' '):gsub('%f[%w]protected%f[%W]', ' ')
      text = text:gsub('%f[%w]public%f[%W]', ' ')
      local kind, name = split_declaration((text:gsub('=.*$', '')))
      fields[name] = resolve(kind)
      order[#order + 1] = name
    end
  end
  return { fields = fields, order = order, own = order }
end

local function read_enum(body)
  local constants = {}
  for name in body:match('^[^;]*'):gmatch '[%w_$]+' do
    constants[#constants + 1] = name
  end
  return { constants = constants }
end

local function inherit(classes)
  for _, class in pairs(classes) do
    local parent = class.extends and classes[class.extends]
    while parent and parent.fields do
      local order = {}
      for i, name in ipairs(parent.own) do
        order[i] = name
        class.fields[name] = class.fields[name] or parent.fields[name]
      end
      for _, name in ipairs(class.order) do
        order[#order + 1] = not parent.fields[name] and name or nil
      end
      class.order = order
      parent = parent.extends and classes[parent.extends]
    end
  end
end

-- Interfaces inside the others are those of callbacks. Takes them out of the text and names them.
local function cut_nested(text, package, imports)
  local nested = {}
  text = text:gsub('%f[%w]interface%s+([%w_.$]+)%s*(%b{})', function(name, body)
    local outer = name:find('.', 1, true) and name
      or package ~= '' and package .. '.' .. name
      or name
    body = body:sub(2, -2):gsub('%f[%w]interface%s+([%w_$]+)%s*(%b{})', function(inner, methods)
      local full = outer .. '$' .. inner
      imports[inner], nested[full] = full, methods:sub(2, -2)
      return ' '
    end)
    return ('interface %s {%s}'):format(name, body)
  end)
  return text, nested
end

-- The declaration that a text is: { name, methods, classes }.
---@param source string
---@return table
function M.read(source)
  local text = clean(source)
  local package = text:match '%f[%w]package%s+([%w_.]+)%s*;' or ''
  text = text:gsub('%f[%w]package%s+[%w_.]+%s*;', ' ')
  local imports = {}
  text = text:gsub('%f[%w]import%s+([%w_.$]+)%s*;', function(name)
    imports[name:match '[%w_$]+$'] = name
    return ' '
  end)
  local qualified = text:match '%f[%w]interface%s+([%w_.$]+)'
  if not qualified then
    bad('an interface', source)
  end
  if package == '' then
    package = qualified:match '^(.*)%.[^.]+$' or ''
  end
  local nested
  text, nested = cut_nested(text, package, imports)
  local resolve = resolver(package, imports)
  local found = { classes = {} }
  for name, methods in pairs(nested) do
    found.classes[name] = { methods = read_interface(methods, resolve) }
  end
  text = text:gsub('([^{}]*)(%b{})', function(head, body)
    local kind, name = head:match '%f[%w](%l+)%s+([%w_.$]+)'
    while kind and kind ~= 'interface' and kind ~= 'class' and kind ~= 'enum' do
      head = head:gsub('%f[%w]' .. kind .. '%f[%W]', ' ', 1)
      kind, name = head:match '%f[%w](%l+)%s+([%w_.$]+)'
    end
    body = body:sub(2, -2)
    if kind == 'interface' then
      if found.name then
        error('perilune.interface: one interface at a time', 0)
      end
      found.name, found.methods = resolve(name), read_interface(body, resolve)
    elseif kind == 'class' then
      local class = read_class(body, resolve)
      local parent = head:match 'extends%s+([%w_.$]+)'
      class.extends = parent and resolve(parent)
      found.classes[resolve(name)] = class
    elseif kind == 'enum' then
      found.classes[resolve(name)] = read_enum(body)
    else
      bad('a declaration', head)
    end
    return ' '
  end)
  if text:match '%S' then
    bad('this', text)
  end
  inherit(found.classes)
  return found
end

return M
