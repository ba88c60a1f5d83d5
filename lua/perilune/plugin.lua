-- SPDX-License-Identifier: MIT
-- The machinery behind every extension point: a point is a name and a contract; a plugin is found by
-- name, registered in a script or loaded on first use from `perilune.<layer>.<point>.<name>` (with a
-- provider, `json@cjson`, from `...<point>.json.cjson`). What is wrong with a plugin is said when it
-- is registered, with the caller's place, the plugin, the point and the member.
--
-- A plugin comes in one of three forms:
--   a function              the whole contract, where the point has one (`fn`)
--   a table of members      checked against the point's `members`
--   { new = function(conf), schema = {...} }   makes either of the above for each use
-- with `name`, `provider`, `before`, `after` beside them where wanted.
local contract = require 'perilune.contract'
local errors = require 'perilune.error'
local generation = require 'perilune.generation'
local schemas = require 'perilune.schema'
local waiting = require 'perilune.waiting'

local M = {}

---@class perilune.plugin.Point
---@field name string       'selector'
---@field layer string      'cluster'
---@field fn? boolean       a plain function is a plugin
---@field prompt? true|string[]  it must not wait, or these members must not
---@field members? table<string, {type: string, required?: boolean}>  of a plugin in table form
---@field builtin? string[] names that the installation brings, for `did you mean` and `plugins`
---@field default? string
---@field fields? table<string, string>  further fields a registration may have, name -> type
---@field adopt? fun(spec: table): string?  tells the core about a plugin; returns what is wrong
---@field check? fun(instance: any): string?  what the types cannot say; returns what is wrong

---@class perilune.Plugin
---@field point string
---@field name string
---@field provider? string
---@field place string      where it was registered
---@field library boolean   came with the installation
---@field native? boolean    a C plugin
---@field schema? table
---@field before? string[]
---@field after? string[]
---@field spec table        as registered

local points = {} ---@type table<string, perilune.plugin.Point>
-- generation -> point -> full name -> plugin
local sets = { {} } ---@type table<string, table<string, perilune.Plugin>>[]
local NAME = contract.NAME

-- What is registered, as the code that asks sees it.
local function registered()
  return sets[generation.number()] or sets[generation.active]
end

-- Where this library lives, so that places name the script that called it.
local library = debug.getinfo(1, 'S').source:match '^(@.*)plugin%.lua$' or '@lua/perilune/'

-- Place of the nearest caller outside this library: 'app.lua:12'.
---@return string
function M.place()
  for level = 2, 40 do
    local info = debug.getinfo(level, 'Sl')
    if not info then
      break
    end
    local source = info.source
    if info.what ~= 'C' and source:sub(1, #library) ~= library and source:sub(1, 1) == '@' then
      return ('%s:%d'):format(source:sub(2):gsub('^%./', ''), info.currentline)
    end
  end
  return 'perilune'
end

local raise, breach = contract.raise, contract.breach

-- Declares an extension point.
---@param point perilune.plugin.Point
function M.point(point)
  assert(point.name:match(NAME) and point.layer, 'a point needs a name and a layer')
  points[point.name] = point
  for _, set in pairs(sets) do
    set[point.name] = set[point.name] or {}
  end
end

---@param name string
---@return perilune.plugin.Point
function M.get_point(name)
  return points[name] or error(("no extension point '%s'"):format(tostring(name)), 2)
end

-- Registers a plugin: `register(point, 'name', function or table)` or `register(point, {name = ...})`.
-- The name alone loads the one that is installed, now and not on first use. Raises with the caller's
-- place when it does not keep the contract.
---@param point_name string
---@param name string|table
---@param body? function|table
---@return perilune.Plugin
function M.register(point_name, name, body)
  generation.give_way()
  local point = M.get_point(point_name)
  local place = M.place()
  local spec
  if type(name) == 'table' and body == nil then
    spec = name
  elseif type(body) == 'table' then
    spec = setmetatable({ name = name }, { __index = body })
    for key, value in pairs(body) do
      spec[key] = value
    end
    spec.name = name
  elseif type(body) == 'function' then
    spec = { name = name, body = body }
  elseif type(name) == 'string' and body == nil then
    local found, message = M.find(point_name, name)
    return found or raise(place, '%s', message)
  elseif type(name) ~= 'string' then
    raise(place, "%s: the name comes first, as in perilune.%s('name', ...)", point.name, point.name)
  else
    raise(place, "%s '%s': give a function or a table", point.name, name)
  end
  return M.adopt(point, spec, place, false)
end

-- Checks `spec` and puts it into the list of its point.
---@param point perilune.plugin.Point
---@param spec table
---@param place string
---@param from_library boolean
---@return perilune.Plugin
function M.adopt(point, spec, place, from_library)
  contract.check_name(point, place, spec.name, spec.provider)
  contract.check_order(point, place, spec)
  -- A point whose own contract is one function takes it as a field named after the point, too.
  local body = spec.body or spec[point.name]
  if not body then
    contract.check_fields(point, place, spec)
    if not spec.new then
      local wrong = breach(point, spec)
      if wrong then
        raise(place, "%s '%s': %s", point.name, spec.name, wrong)
      end
    elseif spec.schema then
      local wrong = schemas.check_schema(spec.schema)
      if wrong then
        raise(place, "%s '%s': schema: %s", point.name, spec.name, wrong)
      end
    end
  elseif breach(point, body) then
    raise(place, "%s '%s': %s", point.name, spec.name, breach(point, body))
  end
  local full = spec.provider and (spec.name .. '@' .. spec.provider) or spec.name
  local plugin = {
    point = point.name,
    name = spec.name,
    provider = spec.provider,
    place = place,
    library = from_library,
    schema = spec.schema,
    before = spec.before,
    after = spec.after,
    spec = spec,
    body = body,
  }
  local list = registered()[point.name]
  local old = list[full]
  if old and not old.library then
    raise(place, "%s '%s' is registered already at %s", point.name, full, old.place)
  end
  local refused = point.adopt and point.adopt(spec)
  if refused then
    raise(place, '%s', refused)
  end
  list[full] = plugin
  if spec.provider and not list[spec.name] then
    list[spec.name] = plugin
  end
  return plugin
end

-- A generation of its own starts with what the library brings: scripts register theirs anew.
---@param number integer
function M.begin(number)
  local set = {}
  for point, list in pairs(sets[generation.active]) do
    set[point] = {}
    for name, plugin in pairs(list) do
      set[point][name] = plugin.library and plugin or nil
    end
  end
  sets[number] = set
end

-- Forgets what a generation registered. What the core took over from it goes back to what the active
-- one registered.
---@param number integer
function M.drop(number)
  if number == generation.active then
    return
  end
  for point, list in pairs(sets[number] or {}) do
    local adopt = points[point].adopt
    for name, plugin in pairs(list) do
      local active = sets[generation.active][point][name]
      if adopt and active and active ~= plugin and not active.native then
        adopt(active.spec)
      end
    end
  end
  sets[number] = nil
end

-- A copy of what is registered, and back to it: for specs.
---@return table
function M.snapshot()
  local copy = {}
  for point, list in pairs(registered()) do
    copy[point] = {}
    for name, plugin in pairs(list) do
      copy[point][name] = plugin
    end
  end
  return copy
end

---@param snapshot table
function M.restore(snapshot)
  sets[generation.number()] = snapshot
  for name in pairs(points) do
    snapshot[name] = snapshot[name] or {}
  end
end

local function module_name(point, name)
  return ('perilune.%s.%s.%s'):format(point.layer, point.name, (name:gsub('@', '.')))
end

local function search(module)
  if package.preload[module] or package.loaded[module] then
    return module
  end
  return package.searchpath(module, package.path)
end

-- A plugin in C: the core checks and registers it, here it is only listed.
---@param point perilune.plugin.Point
---@param full string  with the provider
---@param path string
---@return perilune.Plugin?
---@return string? message
local function load_native(point, full, path)
  local ok, message = require('perilune.core').plugin_load(path, point.name, full)
  if not ok then
    return nil, message
  end
  local name, provider = full:match '^([^@]+)@?(.*)$'
  ---@type perilune.Plugin
  local plugin = {
    point = point.name,
    name = name,
    provider = provider ~= '' and provider or nil,
    place = path,
    library = true,
    native = true,
    spec = { name = name },
  }
  registered()[point.name][full] = plugin
  return plugin
end

-- The plugin if it is there already. Never loads a file: this is what a peer or a registry may ask.
---@param point_name string
---@param name string
---@return perilune.Plugin?
function M.loaded(point_name, name)
  return registered()[M.get_point(point_name).name][name]
end

-- While a generation waits to take over, the library works for it too: opens its registries.
local function pending(point_name, name)
  local set = generation.owner() == 0 and sets[generation.active + 1]
  return set and set[point_name][name] or nil
end

-- What a plugin threw, in one line; of a module that is not there, without all the places it is not in.
local function thrown(what)
  local text = tostring(what):gsub("(module '[^']*' not found):.*", '%1; is its rock installed?')
  return (text:gsub('%s*\n%s*', ' '))
end

local function near_names(point, name)
  local known = {}
  for key in pairs(registered()[point.name]) do
    known[key] = true
  end
  for _, key in ipairs(point.builtin or {}) do
    known[key] = true
  end
  return errors.suggest(name, known)
end

local function unknown(point, name)
  local near = near_names(point, name)
  near = near ~= '' and near or '; `perilune plugins` lists what there is'
  return ("%s '%s' unknown%s"):format(point.name, name, near)
end

-- Finds a plugin by name, loading it on first use. Only local configuration comes here.
---@param point_name string
---@param name string
---@return perilune.Plugin?
---@return string? message
function M.find(point_name, name)
  local point = M.get_point(point_name)
  local found = registered()[point.name][name] or pending(point.name, name)
  if found then
    return found
  end
  local base, provider = tostring(name):match '^([^@]+)@?(.*)$'
  if not base or not base:match(NAME) or (provider ~= '' and not provider:match(NAME)) then
    local near = near_names(point, tostring(name))
    return nil, ("'%s' is no name of a %s%s"):format(tostring(name), point.name, near)
  end
  local module = module_name(point, name)
  local where = search(module)
  local object = not where and package.searchpath(module, package.cpath)
  if object then
    return load_native(point, name, object)
  end
  if not where then
    return nil, unknown(point, name)
  end
  local ok, spec = pcall(require, module)
  if not ok then
    return nil, ("%s '%s' does not load: %s"):format(point.name, name, thrown(spec))
  end
  if type(spec) ~= 'table' then
    return nil, ("%s '%s': %s must return a table"):format(point.name, name, where)
  end
  spec.name = spec.name or base
  spec.provider = spec.provider or (provider ~= '' and provider or nil)
  local full = spec.provider and provider ~= '' and (spec.name .. '@' .. spec.provider) or spec.name
  if full ~= name then
    return nil, ("%s '%s': %s calls itself '%s'"):format(point.name, name, where, full)
  end
  local library_file = ('@' .. where):sub(1, #library) == library
  local adopted, plugin = pcall(M.adopt, point, spec, where, library_file)
  if not adopted then
    return nil, tostring(plugin)
  end
  return plugin
end

-- What scripts and rocks bring to a point whose plugins must not wait is held to that; ours does without.
local function held(point, instance, named)
  if not point.prompt then
    return instance
  end
  return waiting.policy(('%s %s'):format(point.name, named), point.prompt, instance)
end

-- Makes what configuration refers to: a name, { 'name', key = value ... } or, where the point
-- allows, the function or table itself. Returns the instance and the plugin's record.
---@param point_name string
---@param ref any
---@param where? table  what the use is for; the second argument of new()
---@return any instance
---@return perilune.Plugin|string  message on failure
function M.use(point_name, ref, where)
  local point = M.get_point(point_name)
  local name, conf = ref, nil
  if type(ref) == 'table' and type(ref[1]) == 'string' then
    name, conf = ref[1], {}
    for key, value in pairs(ref) do
      if key ~= 1 then
        conf[key] = value
      end
    end
  elseif type(ref) == 'function' or type(ref) == 'table' then
    local wrong = breach(point, ref)
    if wrong then
      return nil, ('%s given in place: %s'):format(point.name, wrong)
    end
    local place = M.place()
    return held(point, ref, place),
      { point = point.name, name = 'inline', place = place, library = false, spec = {} }
  elseif type(ref) ~= 'string' then
    return nil, ('%s must be a name, got a %s'):format(point.name, type(ref))
  end
  local plugin, message = M.find(point_name, name)
  if not plugin then
    return nil, message
  end
  local instance, record = M.instantiate(plugin, conf, nil, where)
  if instance ~= nil and not plugin.library then
    instance = held(point, instance, ("'%s'"):format(name))
  end
  return instance, record
end

-- An instance of `plugin` for one use. `given` is added to its checked settings.
---@param plugin perilune.Plugin
---@param conf? table
---@param given? table<string, any>
---@param where? table
---@return any instance
---@return perilune.Plugin|string  message on failure
function M.instantiate(plugin, conf, given, where)
  local spec = plugin.spec
  if not spec.new then
    if conf and next(conf) ~= nil then
      return nil, ("%s '%s' takes no settings"):format(plugin.point, plugin.name)
    end
    return plugin.body or spec, plugin
  end
  local settings, wrong = schemas.apply(spec.schema or {}, conf or {})
  if not settings then
    return nil, ("%s '%s': %s"):format(plugin.point, plugin.name, wrong)
  end
  for key, value in pairs(given or {}) do
    settings[key] = value
  end
  local ok, instance, message = pcall(spec.new, settings, where)
  if not ok then
    return nil, ("%s '%s': new() threw: %s"):format(plugin.point, plugin.name, thrown(instance))
  elseif instance == nil then
    message = tostring(message or 'made nothing')
    return nil, ("%s '%s': %s"):format(plugin.point, plugin.name, message)
  end
  wrong = breach(points[plugin.point], instance)
  if wrong then
    return nil, ("%s '%s': what new() made %s"):format(plugin.point, plugin.name, wrong)
  end
  return instance, plugin
end

-- What is registered for a point, as the code that asks sees it, by full name.
---@param point_name string
---@return table<string, perilune.Plugin>
function M.registered(point_name)
  return registered()[point_name]
end

-- Where an installed plugin would be loaded from, or nil.
---@param point perilune.plugin.Point
---@param name string
---@return string?
function M.where(point, name)
  return search(module_name(point, name))
end

-- Every point and what is registered or installed, for `perilune plugins`.
---@return {point: string, layer: string, name: string, place: string, default: boolean}[]
function M.list()
  return require('perilune.catalog').list(points)
end

-- Names of the points.
---@return string[]
function M.points()
  local names = {}
  for name in pairs(points) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

for _, point in ipairs(require 'perilune.points') do
  M.point(point)
end

return M
