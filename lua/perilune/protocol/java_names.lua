-- SPDX-License-Identifier: MIT
-- What a name in Java source stands for, for java_text: classes of the text, of its imports, those that
-- everybody knows, and type parameters.
local types = require 'perilune.protocol.java_types'

local M = {}

local KNOWN = {}
for package, names in pairs {
  ['java.lang'] = 'Object String CharSequence Boolean Byte Short Integer Long Float Double '
    .. 'Character Number Iterable Comparable Enum Class Exception RuntimeException Throwable Void '
    .. 'Error IllegalArgumentException IllegalStateException',
  ['java.util'] = 'List ArrayList LinkedList Collection Set HashSet LinkedHashSet TreeSet Map '
    .. 'HashMap LinkedHashMap TreeMap Date UUID Optional Locale Currency Queue Deque ArrayDeque '
    .. 'Vector Stack SortedMap SortedSet Iterator Calendar TimeZone BitSet Properties',
  ['java.util.concurrent'] = 'CompletableFuture CompletionStage Future ConcurrentHashMap',
  ['java.math'] = 'BigDecimal BigInteger',
  ['java.io'] = 'Serializable IOException',
  ['java.time'] = 'Instant Duration LocalDate LocalTime LocalDateTime ZonedDateTime OffsetDateTime '
    .. 'OffsetTime Period Year YearMonth MonthDay ZoneId ZoneOffset',
  ['io.joyrpc'] = 'Callback',
} do
  for name in names:gmatch '%S+' do
    KNOWN[name] = package .. '.' .. name
  end
end

-- Each name of a type's text replaced.
local function replace(text, fn)
  return (text:gsub('[%w_.$\128-\255]+', fn))
end

---@class perilune.java.Scope
---@field scopes table
---@field made perilune.java.Declared
---@field variables table<string, string>  type parameters, resolved
---@field erasures table<string, string>   and what bounds them
local Scope = {}
Scope.__index = Scope

local function nested(scopes, made, name)
  while made do
    local found = scopes.by_full[made.full .. '$' .. name]
    if found then
      return found.full
    end
    made = made.outer
  end
end

-- The full name of a simple one.
local function simple(scope, name)
  local scopes, unit = scope.scopes, scope.scopes.unit
  local package = unit.package ~= '' and unit.package .. '.' or ''
  local found = nested(scopes, scope.made, name)
    or unit.imports[name]
    or scopes.by_full[package .. name] and package .. name
    or KNOWN[name]
    or scopes.by_simple[name]
  if not found and scopes.foreign then
    local message = 'perilune.interface: of which package is %s? import it by its name, not as %s.*'
    error(message:format(name, scopes.foreign), 0)
  end
  return found or package .. name
end

local KEPT = { extends = true, super = true, void = true }

local function full_name(scope, name)
  if KEPT[name] or types.PRIMITIVES[name] then
    return name
  end
  local first, rest = name:match '^([^.]+)%.(.+)$'
  if not first then
    return simple(scope, name)
  elseif first:match '^%u' then -- Outer.Inner
    return simple(scope, first) .. '$' .. rest:gsub('%.', '$')
  end
  return name
end

-- A type with full names; type parameters are what they stand for.
---@param text string
---@return string
function Scope:resolve(text)
  return replace(text, function(name)
    return self.variables[name] or full_name(self, name)
  end)
end

-- The same as Java sees it when it runs.
---@param text string
---@return string
function Scope:erase(text)
  return replace(text, function(name)
    return self.erasures[name] or full_name(self, name)
  end)
end

-- Inside something that has type parameters of its own.
---@param params string[]
---@param bounds table<string, string>
---@param values? string[]  what stands in their place, resolved
---@return perilune.java.Scope
function Scope:with(params, bounds, values)
  if #params == 0 then
    return self
  end
  local inside = setmetatable({
    scopes = self.scopes,
    made = self.made,
    variables = setmetatable({}, { __index = self.variables }),
    erasures = setmetatable({}, { __index = self.erasures }),
  }, Scope)
  for i, name in ipairs(params) do
    -- `T extends Comparable<T>`: a bound may name its own parameter.
    inside.variables[name], inside.erasures[name] = 'java.lang.Object', 'java.lang.Object'
    local bound = inside:resolve(types.parse(bounds[name]) or 'Object')
    inside.erasures[name] = bound
    inside.variables[name] = values and values[i] or bound
  end
  return inside
end

-- Where the members of a parent stand, and the parent, where it is one of the text.
---@param text string  as it extends it
---@return perilune.java.Scope?
---@return perilune.java.Declared?
function Scope:of_parent(text)
  local name, arguments = types.parse(self:resolve(text))
  local declared = self.scopes.by_full[name]
  if not declared or declared == self.made or declared.kind ~= self.made.kind then
    return nil, nil
  end
  local bare = self.scopes:bare(declared)
  return bare:with(declared.params, declared.bounds, arguments), declared
end

local Scopes = {}
Scopes.__index = Scopes

---@param made perilune.java.Declared
---@return perilune.java.Scope
function Scopes:bare(made)
  return setmetatable({ scopes = self, made = made, variables = {}, erasures = {} }, Scope)
end

-- Inside a type of the text.
---@param made perilune.java.Declared
---@return perilune.java.Scope
function Scopes:of(made)
  return self:bare(made):with(made.params, made.bounds)
end

-- The same with its type parameters left as they are.
---@param made perilune.java.Declared
---@return perilune.java.Scope
function Scopes:open(made)
  return self:bare(made):with(made.params, made.bounds, made.params)
end

---@param unit { package: string, imports: table, wildcards: string[], all: perilune.java.Declared[] }
function M.new(unit)
  local scopes = setmetatable({ unit = unit, by_full = {}, by_simple = {} }, Scopes)
  for _, made in ipairs(unit.all) do
    if scopes.by_full[made.full] then
      error(('perilune.interface: %s is declared twice'):format(made.full), 0)
    end
    scopes.by_full[made.full] = made
    scopes.by_simple[made.name] = scopes.by_simple[made.name] or made.full
  end
  for _, package in ipairs(unit.wildcards) do
    if not package:match '^javax?%.' and package ~= unit.package then
      scopes.foreign = package
    end
  end
  return scopes
end

return M
