-- SPDX-License-Identifier: MIT
-- Java's syntax, as far as it says what travels: interfaces with the classes, records and enums in
-- their signatures, as they stand in Java's files. Bodies of methods, annotations and values of fields
-- are passed over.
--
--   package demo;
--   import other.Thing;
--   interface Probe { String sayHello(String name) throws Failed; void watch(Listener listener);
--     interface Listener { void heard(String text); } }
--   class Person { String name; List<Person> friends; }
--   enum Color { RED, GREEN }
local names = require 'perilune.protocol.java_names'
local types = require 'perilune.protocol.java_types'
local words = require 'perilune.protocol.java_words'

local M = {}

---@class perilune.java.Declared  a type as it was read; texts of types are not resolved yet
---@field kind string             interface, class or enum
---@field full string             'demo.Probe$Listener'
---@field outer? perilune.java.Declared
---@field params string[]         names of its type parameters
---@field bounds table<string, string>
---@field extends string[]
---@field fields { [1]: string, [2]: string }[]
---@field methods table[]
---@field constants? string[]

local MODIFIERS = {}
for word in
  (
    'public protected private abstract static final default synchronized native strictfp '
    .. 'transient volatile sealed'
  ):gmatch '%a+'
do
  MODIFIERS[word] = true
end

-- Modifiers and annotations; which modifiers there were.
local function read_modifiers(w)
  local found = {}
  while true do
    local word = w:peek()
    if word == '@' and w.list[w.at + 1] ~= 'interface' then
      w:next()
      w:name 'an annotation'
      w:skip '('
    elseif word == 'non' and w.list[w.at + 1] == '-' then
      w.at = w.at + 3
    elseif MODIFIERS[word] then
      found[w:next()] = true
    else
      return found
    end
  end
end

local read_type

local function read_argument(w)
  read_modifiers(w)
  if not w:take '?' then
    return read_type(w)
  elseif w:take 'extends' then
    return '? extends ' .. read_type(w)
  elseif w:take 'super' then
    return '? super ' .. read_type(w)
  end
  return '?'
end

local function read_dimensions(w)
  local text = ''
  while w:take '[' do
    w:expect(']', 'an array')
    text = text .. '[]'
  end
  return text
end

-- A type as text, 'Map<String, List<? extends Thing>>[]'.
function read_type(w)
  read_modifiers(w)
  local text = w:name 'a type'
  if w:take '<' then
    local arguments = {}
    repeat
      arguments[#arguments + 1] = read_argument(w)
    until not w:take ','
    w:expect('>', 'a type')
    text = ('%s<%s>'):format(text, table.concat(arguments, ', '))
    if w:take '.' then
      text = text .. '.' .. w:name 'a type'
    end
  end
  return text .. read_dimensions(w)
end

-- `<K, V extends Thing & Other>`: names in order, and what bounds them.
local function read_parameters(w)
  local params, bounds = {}, {}
  if w:take '<' then
    repeat
      read_modifiers(w)
      local name = w:name 'a type parameter'
      params[#params + 1], bounds[name] = name, 'Object'
      if w:take 'extends' then
        bounds[name] = read_type(w)
        while w:take '&' do
          read_type(w)
        end
      end
    until not w:take ','
    w:expect('>', 'type parameters')
  end
  return params, bounds
end

local function read_types(w)
  local list = {}
  repeat
    list[#list + 1] = read_type(w)
  until not w:take ','
  return list
end

-- `(final String name, int... rest)`
local function read_arguments(w)
  local list = {}
  w:expect('(', 'parameters')
  while not w:take ')' do
    local kind = read_type(w)
    if w:take '...' then
      kind = kind .. '[]'
    end
    local name = w:name 'a parameter'
    list[#list + 1] = { kind .. read_dimensions(w), name }
    if not w:take ',' and w:peek() ~= ')' then
      w:fail 'parameters'
    end
  end
  return list
end

-- What follows the name of a method.
local function read_method(w, method)
  method.arguments = read_arguments(w)
  method.returns = method.returns .. read_dimensions(w)
  method.throws = w:take 'throws' and read_types(w) or {}
  if w:take 'default' then
    w:skip_value()
  end
  if not w:skip '{' then
    w:expect(';', 'a method')
  end
  return method
end

-- `int a, b[] = { 1 };` behind the first name.
local function read_fields(w, kind, name, add)
  repeat
    name = name or w:name 'a field'
    add(kind .. read_dimensions(w), name)
    if w:take '=' then
      w:skip_value()
    end
    name = nil
  until not w:take ','
  w:expect(';', 'a field')
end

local KINDS = { interface = true, class = true, enum = true, record = true }

local function begins_type(w)
  local word, after = w:peek(), w.list[w.at + 1]
  return KINDS[word] and after and after:match '^[%a_$]' and true or word == '@'
end

local read_declaration

local function read_member(w, made, all)
  local modifiers = read_modifiers(w)
  if w:take ';' or w:skip '{' then
    return -- nothing, or an initializer
  elseif begins_type(w) then
    read_declaration(w, made, all)
    return
  end
  local params, bounds = read_parameters(w)
  local kind = read_type(w)
  if w:peek() == '(' then -- a constructor
    read_method(w, { returns = kind })
    return
  elseif w:skip '{' then -- of a record, without parameters
    return
  end
  local name = w:name(made.kind == 'interface' and 'a method' or 'a field')
  if w:peek() == '(' then
    local method = read_method(w, { name = name, returns = kind, params = params, bounds = bounds })
    if made.kind == 'interface' and not modifiers.static and not modifiers.private then
      made.methods[#made.methods + 1] = method
    end
    return
  end
  local travels = made.kind ~= 'interface' and not modifiers.static and not modifiers.transient
  read_fields(w, kind, name, function(type, field)
    made.fields[#made.fields + 1] = travels and { type, field } or nil
  end)
end

local function read_constants(w)
  local constants = {}
  while w:peek() ~= ';' and w:peek() ~= '}' do
    read_modifiers(w)
    constants[#constants + 1] = w:name 'a constant'
    w:skip '('
    w:skip '{'
    if not w:take ',' and w:peek() ~= ';' and w:peek() ~= '}' then
      w:fail 'the constants of an enum'
    end
  end
  w:take ';'
  return constants
end

local function read_body(w, made, all)
  w:expect('{', 'a declaration')
  if made.kind == 'enum' then
    made.constants = read_constants(w)
  end
  while not w:take '}' do
    if not w:peek() then
      error(("perilune.interface: the '{' of %s is never closed"):format(made.full), 0)
    end
    read_member(w, made, all)
  end
end

function read_declaration(w, outer, all)
  if w:take '@' then -- an annotation type
    w:next()
    w:name 'an annotation'
    w:skip '{'
    return
  end
  local kind = w:next()
  local made = { outer = outer, extends = {}, fields = {}, methods = {} }
  made.kind = kind == 'record' and 'class' or kind
  made.name = w:name 'a declaration'
  made.full = outer and outer.full .. '$' .. made.name or made.name
  made.params, made.bounds = read_parameters(w)
  if kind == 'record' then
    made.fields = read_arguments(w)
  end
  all[#all + 1] = made
  while w:peek() and w:peek() ~= '{' do
    local word = w:next()
    if word ~= 'extends' and word ~= 'implements' and word ~= 'permits' then
      w.at = w.at - 1
      w:fail 'a declaration'
    end
    local list = read_types(w)
    made.extends = word == 'extends' and list or made.extends
  end
  read_body(w, made, all)
end

local function read_imports(w)
  local imports, wildcards = {}, {}
  while w:take 'import' do
    local static = w:take 'static'
    local name = w:name 'an import'
    if w:take '.' then
      w:expect('*', 'an import')
      wildcards[#wildcards + 1] = not static and name or nil
    elseif not static then
      imports[name:match '[^.]+$'] = name
    end
    w:expect(';', 'an import')
  end
  return imports, wildcards
end

local function read_unit(source)
  local w = words.new(source)
  local unit = { package = '', all = {} }
  read_modifiers(w)
  if w:take 'package' then
    unit.package = w:name 'a package'
    w:expect(';', 'a package')
  end
  unit.imports, unit.wildcards = read_imports(w)
  while w:peek() do
    if not w:take ';' then
      read_modifiers(w)
      if not begins_type(w) then
        w:fail 'a declaration'
      end
      read_declaration(w, nil, unit.all)
    end
  end
  return unit
end

-- `interface demo.Probe` stands for a package, too.
local function place_in_package(unit)
  for _, made in ipairs(unit.all) do
    if unit.package == '' and not made.outer and made.kind == 'interface' then
      unit.package = made.name:match '^(.*)%.[^.]+$' or ''
    end
  end
  for _, made in ipairs(unit.all) do
    local package = not made.name:find('.', 1, true) and unit.package ~= '' and unit.package .. '.'
    made.full = made.outer and made.outer.full .. '$' .. made.name or (package or '') .. made.name
    made.name = made.name:match '[^.]+$'
  end
end

local FUTURES = {
  ['java.util.concurrent.CompletableFuture'] = true,
  ['java.util.concurrent.CompletionStage'] = true,
  ['java.util.concurrent.Future'] = true,
}

-- Raises where a type extends itself: a line of parents is not this long.
local function deeper(depth, made)
  if depth > 64 then
    error(('perilune.interface: %s extends itself'):format(made.full), 0)
  end
  return depth + 1
end

-- A method with full names. Where a parameter's type is a variable, Java looks for what bounds it.
local function method_of(scope, method)
  local made = { names = {}, throws = {} }
  for i, argument in ipairs(method.arguments) do
    made[i], made.names[i] = scope:resolve(argument[1]), argument[2]
    local erased = types.text(scope:erase(argument[1]), false)
    if erased ~= types.text(made[i], false) then
      made.erased = made.erased or {}
      made.erased[i] = erased
    end
  end
  made.returns = scope:resolve(method.returns)
  local outer, inner = types.parse(made.returns)
  if FUTURES[outer] then
    made.returns, made.async =
      (inner[1] or 'java.lang.Object'):gsub('^%?$', 'java.lang.Object'), true
  end
  for i, exception in ipairs(method.throws) do
    made.throws[i] = scope:resolve(exception)
  end
  return made
end

local function add_methods(methods, scope, made, depth)
  local own = {}
  for _, method in ipairs(made.methods) do
    local inside = scope:with(method.params, method.bounds)
    if own[method.name] then
      local message = 'perilune.interface: method %s.%s is overloaded, and Lua calls by the name: '
        .. 'declare the one that is meant'
      error(message:format(made.full, method.name), 0)
    end
    own[method.name] = true
    methods[method.name] = methods[method.name] or method_of(inside, method)
  end
  for _, parent in ipairs(made.extends) do
    local inside, declared = scope:of_parent(parent)
    if declared then
      add_methods(methods, inside, declared, deeper(depth, made))
    end
  end
  return methods
end

-- Fields in Java's order, those of the parent first.
local function add_fields(class, scope, made, depth)
  for _, parent in ipairs(made.extends) do
    local inside, declared = scope:of_parent(parent)
    if declared then
      add_fields(class, inside, declared, deeper(depth, made))
    end
  end
  for _, field in ipairs(made.fields) do
    local name = field[2]
    class.order[#class.order + 1] = not class.fields[name] and name or nil
    class.fields[name] = scope:resolve(field[1])
  end
  return class
end

local function class_of(scopes, made)
  if made.constants then
    return { constants = made.constants }
  elseif made.kind == 'interface' then
    return { methods = add_methods({}, scopes:of(made), made, 0) }
  end
  local class = add_fields({ fields = {}, order = {} }, scopes:of(made), made, 0)
  if #made.params > 0 then
    -- Fields as they are with other types in place of the parameters.
    class.params = made.params
    class.generic = add_fields({ fields = {}, order = {} }, scopes:open(made), made, 0).fields
  end
  return class
end

-- The interface of the service: the only one, or the one that the others do not use.
local function service_of(unit, scopes)
  local used, found = {}, {}
  for _, made in ipairs(unit.all) do
    local scope = scopes:of(made)
    for _, parent in ipairs(made.extends) do
      used[types.text(scope:resolve(parent), false)] = true
    end
    for _, method in ipairs(made.methods) do
      for _, argument in ipairs(method.arguments) do
        used[types.text(scope:resolve(argument[1]), false)] = true
      end
    end
  end
  for _, made in ipairs(unit.all) do
    if made.kind == 'interface' and not made.outer and not used[made.full] then
      found[#found + 1] = made
    end
  end
  if #found > 1 then
    local message = 'perilune.interface: one interface at a time, not %s and %s'
    error(message:format(found[1].full, found[2].full), 0)
  end
  return found[1] or error('perilune.interface: the text declares no interface', 0)
end

-- The declaration that a text is: { name, methods, classes }.
---@param source string
---@return table
function M.read(source)
  local unit = read_unit(source)
  place_in_package(unit)
  local scopes = names.new(unit)
  local service = service_of(unit, scopes)
  local found = { name = service.full, classes = {} }
  found.methods = add_methods({}, scopes:of(service), service, 0)
  for _, made in ipairs(unit.all) do
    if made ~= service then
      found.classes[made.full] = class_of(scopes, made)
    end
  end
  return found
end

return M
