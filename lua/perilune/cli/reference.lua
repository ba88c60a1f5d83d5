-- SPDX-License-Identifier: MIT
-- The reference of the configuration as Markdown, written from the schemas that check it.
local dispatch = require 'perilune.cluster.dispatch'
local ejection = require 'perilune.cluster.ejection'
local options = require 'perilune.entry.options'
local plugin = require 'perilune.plugin'
local settings = require 'perilune.process.settings'

local M = {}

local HEAD = [[
# Configuration

Written by `perilune config --reference`; change the schemas, not this page.

A setting is given as a flag of `perilune run` (`--queue-age 50`), in the environment
(`PERILUNE_QUEUE_AGE=50`) or in the file of `--config` (`queue_age = 50`). Flags win over the environment,
that over the file, that over the default. `perilune config app.lua` prints what is in effect and where it
came from; `perilune check app.lua` reports what is wrong.

The file is JSON (`.json`) or Lua that returns a table and sees nothing but `os.getenv`:

```lua
return {
  workers = 4,
  queue_age = 50,
  defaults = { timeout = 1000 },
  services = {
    ['demo.Greeter'] = { timeout = 200, concurrency = 100, methods = { hello = { timeout = 50 } } },
  },
  references = {
    ['demo.Library:prod'] = { retries = 3, loadbalance = 'least_active',
      token = { file = '/run/secrets/library' } },
  },
}
```

`defaults` are options of exports and refers whose script says nothing; `services` and `references` win over
the script, for every alias of an interface or, as `interface:alias`, for one. Methods are merged one by one.

`{ file = '/run/secrets/x' }` in place of a text stands for what is in that file, without the newline at its
end. Secrets are never printed.

A reload (SIGHUP, `perilune reload`) reads the file anew. Settings marked *restart* stay as they were, which the
log and `perilune reload` say; limits of connections count for those accepted afterwards.
]]

local function escape(text)
  return (tostring(text):gsub('|', '\\|'))
end

local function number(value)
  return ('%.15g'):format(value)
end

local function amount(rule, value)
  for _, unit in ipairs { { 'G', 2 ^ 30 }, { 'M', 2 ^ 20 }, { 'K', 2 ^ 10 } } do
    if rule.unit == 'bytes' and value >= unit[2] and value % unit[2] == 0 then
      return number(value / unit[2]) .. unit[1]
    end
  end
  return number(value)
end

local function kind_of(rule)
  if rule.enum then
    local words = {}
    for i, word in ipairs(rule.enum) do
      words[i] = '`' .. tostring(word) .. '`'
    end
    return table.concat(words, ', ')
  end
  local kind = rule.unit or rule.type or 'any'
  if rule.type == 'integer' or rule.type == 'number' then
    if rule.min and rule.max then
      kind = ('%s, %s to %s'):format(kind, amount(rule, rule.min), amount(rule, rule.max))
    elseif rule.min then
      kind = ('%s, at least %s'):format(kind, amount(rule, rule.min))
    end
  end
  return kind
end

local function default_of(rule)
  local value = rule.default
  if rule.required then
    return 'required'
  end
  if type(value) == 'number' then
    return '`' .. amount(rule, value) .. '`'
  elseif type(value) == 'table' then
    return next(value) == nil and '' or "`{ '" .. table.concat(value, "', '") .. "' }`"
  end
  return value ~= nil and value ~= '' and '`' .. tostring(value) .. '`' or ''
end

local function row(...)
  local cells = {}
  for i = 1, select('#', ...) do
    cells[i] = escape((select(i, ...)))
  end
  return '| ' .. table.concat(cells, ' | ') .. ' |'
end

local function header(out, ...)
  out[#out + 1] = row(...)
  out[#out + 1] = '|' .. (' --- |'):rep(select('#', ...))
end

local function set_of(list)
  local set = {}
  for _, name in ipairs(list) do
    set[name] = true
  end
  return set
end

local function settings_table(out)
  local is_flag, fixed = set_of(settings.flags), set_of(settings.fixed)
  out[#out + 1] = '\n## Settings\n'
  header(out, 'setting', 'takes', 'default', '', 'for')
  for _, name in ipairs(settings.names) do
    local rule = settings.schema[name]
    local marks = {}
    marks[#marks + 1] = is_flag[name] and 'flag' or nil
    marks[#marks + 1] = rule.environment_only and 'environment only' or nil
    marks[#marks + 1] = (fixed[name] or rule.environment_only) and 'restart' or nil
    out[#out + 1] =
      row('`' .. name .. '`', kind_of(rule), default_of(rule), table.concat(marks, ', '), rule.help)
  end
end

local function schema_table(out, schema)
  local names = {}
  for name in pairs(schema) do
    names[#names + 1] = name
  end
  table.sort(names)
  header(out, 'option', 'takes', 'default', 'for')
  for _, name in ipairs(names) do
    local rule = schema[name]
    out[#out + 1] = row('`' .. name .. '`', kind_of(rule), default_of(rule), rule.help or '')
  end
end

local function declarations(out)
  for _, part in ipairs {
    { 'Options of exports', 'perilune.export, services[...]', options.export },
    { 'Options of refers', 'perilune.refer, references[...]', options.refer },
    { 'Options of methods', 'methods = { name = { ... } } of both', options.method },
    { 'Options of listeners', 'perilune.listen', options.listen },
    { 'What joyrpc of exports takes', 'joyrpc = { ... }', options.export.joyrpc.fields },
    { 'What ejection of refers takes', 'ejection = { ... }', ejection.schema },
    { 'What retry_budget of refers takes', 'retry_budget = { ... }', dispatch.BUDGET },
  } do
    out[#out + 1] = ('\n## %s\n\n`%s`\n'):format(part[1], part[2])
    schema_table(out, part[3])
  end
end

-- Settings of the plugins that come with the installation: { 'name', key = value }.
local function plugins(out)
  out[#out + 1] =
    "\n## Settings of built-in plugins\n\n`{ 'name', key = value }` where a plugin is named.\n"
  for _, point_name in ipairs(plugin.points()) do
    local point = plugin.get_point(point_name)
    local names = {}
    for _, name in ipairs(point.builtin or {}) do
      names[#names + 1] = point.layer ~= 'cli' and name or nil
    end
    table.sort(names)
    for _, name in ipairs(names) do
      local path = package.searchpath(
        ('perilune.%s.%s.%s'):format(point.layer, point.name, name),
        package.path
      )
      local found = path and plugin.find(point_name, name)
      if found and found.schema and next(found.schema) then
        out[#out + 1] = ('\n### %s %s\n'):format(point_name, name)
        schema_table(out, found.schema)
      end
    end
  end
end

---@return string
function M.text()
  local out = { (HEAD:gsub('\n$', '')) }
  settings_table(out)
  declarations(out)
  plugins(out)
  return table.concat(out, '\n') .. '\n'
end

return M
