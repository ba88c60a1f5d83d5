-- SPDX-License-Identifier: MIT
-- LuaCATS classes for the remote methods that scripts declare, so that editors complete them on
-- proxies. What is known of a method comes from its handler (names of parameters, the comment and
-- annotations above it), from rules of validation, from `perilune.interface`, or is only its name in
-- `methods`.
local declare = require 'perilune.entry.declare'
local java_types = require 'perilune.cli.java_types'
local output = require 'perilune.cli.output'

local M = { summary = 'Write types of remote methods, for editors.' }

function M.describe(parser)
  parser:argument('script', 'Entrypoints: providers, consumers or both.'):args '+'
  output.describe(parser)
  parser:epilog(
    'Put the file where your language server looks for libraries. Proxies get the types by the\n'
      .. "name of their interface: perilune.refer { interface = 'demo.Greeter', ... }"
  )
end

---@class perilune.cli.types.Method
---@field name string
---@field doc string[]     comment lines above the handler, annotations among them
---@field params {name: string, type?: string}[]
---@field varargs boolean
---@field result? string

local KEYWORD = {}
local WORDS = 'and break do else elseif end false for function if in local nil not or repeat '
  .. 'return then true until while'
for word in WORDS:gmatch '%a+' do
  KEYWORD[word] = true
end

-- ── what is known of a method ─────────────────────────────────────────────────────────────────

local files = {}

local function lines_of(path)
  if not files[path] then
    local lines = {}
    local file = io.open(path)
    for line in file and file:lines() or function() end do
      lines[#lines + 1] = line
    end
    if file then
      file:close()
    end
    files[path] = lines
  end
  return files[path]
end

-- The comment directly above the handler, as LuaCATS takes it: `-- text` becomes `--- text`.
local function comment_above(info)
  local path = info.source:match '^@(.*)'
  local lines, doc = path and lines_of(path) or {}, {}
  local at = info.linedefined - 1
  while lines[at] and lines[at]:match '^%s*%-%-' and not lines[at]:match '^%s*%-%-%[=*%[' do
    local text = lines[at]:match '^%s*%-%-%-?(.*)'
    -- The context belongs to the handler alone.
    if not text:match '^@param%s+_?ctx%s' and not text:match '^@async' then
      table.insert(doc, 1, '---' .. text)
    end
    at = at - 1
  end
  return doc
end

local function of_handler(name, handler)
  local info = debug.getinfo(handler, 'Su')
  local params = {}
  for i = 2, info.nparams do -- after ctx
    params[#params + 1] = { name = debug.getlocal(handler, i) }
  end
  return { name = name, doc = comment_above(info), params = params, varargs = info.isvararg }
end

local NAMES = { string = 'string', integer = 'integer', number = 'number', boolean = 'boolean' }
NAMES['function'] = 'function'

-- May a value of this rule be absent?
---@param rule any
---@return boolean
function M.is_optional(rule)
  return type(rule) == 'table' and (rule.optional or rule.default ~= nil) or false
end

-- A rule (perilune/entry/rules.lua) as a type.
local function type_of(rule, depth)
  if type(rule) ~= 'table' then
    return 'any'
  elseif rule.enum and type(rule.enum[1]) == 'string' then
    local list = {}
    for i, value in ipairs(rule.enum) do
      list[i] = ("'%s'"):format(value)
    end
    return table.concat(list, '|')
  elseif rule.type == 'list' then
    return rule.items and depth < 8 and type_of(rule.items, depth + 1) .. '[]' or 'any[]'
  elseif rule.type == 'table' and rule.values and depth < 8 then
    return ('table<string, %s>'):format(type_of(rule.values, depth + 1))
  elseif rule.type == 'table' and rule.fields and depth < 8 then
    local fields = {}
    for field, inner in pairs(rule.fields) do
      local optional = M.is_optional(inner) and '?' or ''
      fields[#fields + 1] = ('%s%s: %s'):format(field, optional, type_of(inner, depth + 1))
    end
    table.sort(fields)
    return '{' .. table.concat(fields, ', ') .. '}'
  end
  return NAMES[rule.type] or rule.type == 'table' and 'table' or 'any'
end

-- The rules of a method's arguments among what a declaration says, or nil.
local function rules_of(spec, name)
  local own = spec.methods and spec.methods[name] and spec.methods[name].validation
  local all = spec.validation
  local rules = type(own) == 'table' and (own.args or own[1] and own)
    or type(all) == 'table' and all.methods and all.methods[name]
  return type(rules) == 'table' and rules or nil
end

local function add_rules(method, rules)
  for i, rule in ipairs(rules or {}) do
    method.params[i] = method.params[i] or { name = 'arg' .. i }
    method.params[i].type = type_of(rule, 1)
    method.params[i].optional = M.is_optional(rule)
  end
end

-- What a Java interface declares of the method.
local function add_java(method, declared)
  for i, parameter in ipairs(declared and declared.parameters or {}) do
    local known = method.params[i] or {}
    method.params[i] = {
      name = declared.names[i] or known.name or 'arg' .. i,
      type = java_types.text(parameter, false),
      optional = not parameter.primitive,
    }
  end
  if declared then
    method.varargs = false
    local returns = declared.returns
    method.result = returns and java_types.text(returns, true) .. (returns.primitive and '' or '?')
      or 'nil'
  end
end

-- ── the interfaces of a script ────────────────────────────────────────────────────────────────

local function method_in(interfaces, interface, name)
  interfaces[interface] = interfaces[interface] or {}
  local methods = interfaces[interface]
  methods[name] = methods[name] or { name = name, doc = {}, params = {}, varargs = true }
  return methods
end

local function collect(interfaces, declarations)
  for _, export in ipairs(declarations.exports) do
    for _, compiled in ipairs(export.compiled) do
      local handler = export.service[compiled.name]
      if type(handler) == 'function' then
        local methods = method_in(interfaces, export.interface, compiled.name)
        methods[compiled.name] = of_handler(compiled.name, handler)
        add_rules(methods[compiled.name], rules_of(export, compiled.name))
        add_java(methods[compiled.name], export.java and export.java.methods[compiled.name])
      end
    end
  end
  for _, refer in ipairs(declarations.refers) do
    interfaces[refer.interface] = interfaces[refer.interface] or {}
    for name in pairs(refer.methods or {}) do
      local methods = method_in(interfaces, refer.interface, name)
      if #methods[name].params == 0 then
        add_rules(methods[name], rules_of(refer, name))
      end
    end
    for name, declared in pairs(refer.java and refer.java.methods or {}) do
      local methods = method_in(interfaces, refer.interface, name)
      if not methods[name].result then
        add_java(methods[name], declared)
      end
    end
  end
end

-- ── the text ──────────────────────────────────────────────────────────────────────────────────

local function has(doc, annotation, name)
  for _, line in ipairs(doc) do
    if line:match('^%-%-%-%s*@' .. annotation .. (name and '%s+' .. name .. '%f[^%w_]' or '')) then
      return true
    end
  end
  return false
end

local function write_method(lines, class, method)
  if not method.name:match '^[%a_][%w_]*$' or KEYWORD[method.name] then
    lines[#lines + 1] = ("-- perilune.call(proxy, '%s', ...)"):format(method.name)
    lines[#lines + 1] = ''
    return
  end
  for _, line in ipairs(method.doc) do
    lines[#lines + 1] = line
  end
  lines[#lines + 1] = '---@async'
  local names = {}
  for i, param in ipairs(method.params) do
    local name = param.name:gsub('^_+', '')
    name = (name == '' or KEYWORD[name]) and 'arg' .. i or name
    names[i] = name
    if not has(method.doc, 'param', name .. '%??') then
      local optional = param.optional and '?' or ''
      lines[#lines + 1] = ('---@param %s%s %s'):format(name, optional, param.type or 'any')
    end
  end
  if method.varargs then
    names[#names + 1] = '...'
    lines[#lines + 1] = '---@param ... any'
  end
  if not has(method.doc, 'return') then
    lines[#lines + 1] = ('---@return %s result'):format(method.result or 'any')
  end
  lines[#lines + 1] = '---@return perilune.Error? err'
  lines[#lines + 1] = ('function %s:%s(%s) end'):format(
    class,
    method.name,
    table.concat(names, ', ')
  )
  lines[#lines + 1] = ''
end

local function sorted(set)
  local list = {}
  for name in pairs(set) do
    list[#list + 1] = name
  end
  table.sort(list)
  return list
end

local function write_interface(lines, interface, methods)
  local class = interface:gsub('^.*%.', ''):gsub('[^%w_]', '_')
  class = (KEYWORD[class] or class:match '^%d') and '_' .. class or class
  lines[#lines + 1] = '---@class ' .. interface .. ': perilune.Proxy'
  lines[#lines + 1] = ('local %s = {}'):format(class)
  lines[#lines + 1] = ''
  for _, name in ipairs(sorted(methods)) do
    write_method(lines, class, methods[name])
  end
end

-- The whole file for what the scripts declare.
---@param interfaces table<string, table<string, perilune.cli.types.Method>>
---@return string
function M.text(interfaces)
  local lines = {
    '---@meta',
    '-- Written by `perilune types`; write it again when the services change.',
    '',
  }
  local names = sorted(interfaces)
  for _, interface in ipairs(names) do
    lines[#lines + 1] = 'do'
    write_interface(lines, interface, interfaces[interface])
    lines[#lines] = 'end'
    lines[#lines + 1] = ''
  end
  lines[#lines + 1] = '---@class perilune'
  for _, interface in ipairs(names) do
    lines[#lines + 1] = ("---@field refer fun(spec: {interface: '%s'}): %s"):format(
      interface,
      interface
    )
  end
  return table.concat(lines, '\n') .. '\n'
end

function M.run(args)
  local interfaces = {}
  for _, script in ipairs(args.script) do
    local declarations, message = declare.load(script, {})
    if not declarations then
      return 1, message
    end
    collect(interfaces, declarations)
  end
  if next(interfaces) == nil then
    return 1, table.concat(args.script, ', ') .. ' exports and refers nothing'
  end
  return output.write(args, M.text(interfaces))
end

return M
