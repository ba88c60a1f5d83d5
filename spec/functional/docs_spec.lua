-- SPDX-License-Identifier: MIT
-- What the pages say: their Lua is Lua, whole programs among it load, the page of errors is up to date,
-- links lead somewhere, and what there is has a name in them.
local app = require 'spec.support.app'
local c = require 'spec.support.c'
local child = require 'spec.support.child'
local lfs = require 'lfs'

local function read(path)
  local file = assert(io.open(path))
  local text = file:read '*a'
  file:close()
  return text
end

local PAGES = { 'README.md', 'lua/README.md' }
for name in lfs.dir(c.root .. '/docs') do
  if name:match '%.md$' then
    PAGES[#PAGES + 1] = 'docs/' .. name
  end
end
for name in lfs.dir(c.root .. '/rocks') do
  if lfs.attributes(c.root .. '/rocks/' .. name .. '/README.md') then
    PAGES[#PAGES + 1] = 'rocks/' .. name .. '/README.md'
  end
end
table.sort(PAGES)

-- Blocks show parts: of a table, of a call, or with `...` for what is left out.
local function compiles(text)
  local whole = text:gsub('{ *%.%.%. *}', '{}'):gsub('%f[%.]%.%.%. ', ' '):gsub('%(%.%.%.%)', '()')
  local last
  for _, frame in ipairs { '%s', 'return { %s }', 'local _ = %s' } do
    local chunk, message = loadstring((frame:gsub('%%s', function()
      return whole
    end)))
    if chunk then
      return true
    end
    last = last or message
  end
  return false, last
end

-- A page says above a block that `perilune check` shall load it: it begins with `-- name.lua`.
local function program(text)
  return text:match '^%-%- ([%w_]+%.lua)\n'
end

local function anchor(title)
  return (title:lower():gsub('[^%w%s_-]', ''):gsub(' ', '-'))
end

local function anchors(path)
  local found = {}
  for title in ('\n' .. read(path)):gmatch '\n#+ ([^\n]+)' do
    found[anchor(title)] = true
  end
  return found
end

describe('documentation', function()
  after_each(app.stop_all)

  for _, page in ipairs(PAGES) do
    local path = c.root .. '/' .. page

    it(page .. ' has Lua that compiles, and programs that load', function()
      for text in read(path):gmatch '```lua\n(.-)```' do
        local ok, message = compiles(text)
        assert.is_true(ok, ('%s in\n%s'):format(tostring(message), text))
        if program(text) then
          local exit = child.run { child.binary(), 'check', app.script(text, program(text)) }
          assert.equal(0, exit.code, exit.output .. text)
        end
      end
    end)

    it(page .. ' has links that lead somewhere', function()
      for target in read(path):gmatch '%]%(([^)%s]+)%)' do
        local file, part = target:match '^([^#]*)#?(.*)$'
        if not target:match '^%a+://' then
          local at = file == '' and path or path:match '^(.*)/' .. '/' .. file
          assert.is_truthy(lfs.attributes(at), target)
          if part ~= '' then
            assert.is_true(anchors(at)[part], target)
          end
        end
      end
    end)
  end

  it('of errors is up to date', function()
    local exit = child.run { 'sh', '-c', ('cd %s && luajit .ci/errors.lua'):format(c.root) }
    assert(
      exit.output == read(c.root .. '/docs/errors.md'),
      'luajit .ci/errors.lua > docs/errors.md'
    )
  end)

  it('names each function of the API', function()
    local path = app.script [[
      local perilune = require 'perilune'
      local tables = { perilune, perilune.policy, perilune.shared, perilune.crypto, perilune.java,
        require 'perilune.testing' }
      perilune.main(function()
        for _, functions in ipairs(tables) do
          for name in pairs(functions) do
            print(name)
          end
        end
      end)]]
    local exit = child.run { child.binary(), 'run', path }
    assert.equal(0, exit.code, exit.output)
    local text = read(c.root .. '/lua/README.md')
    local unsaid = { _VERSION = true, open = true, stream = true }
    for name in exit.output:gmatch '[^\n]+' do
      local named = text:find('[`%.%[]' .. name .. '%f[^%w_]')
      assert.is_truthy(named or unsaid[name], name .. ' is not in lua/README.md')
    end
  end)

  it('names each metric', function()
    local server = app.serve [[
      perilune.export { interface = 'demo.M', service = { f = function() end } }
      perilune.listen 'tcp://127.0.0.1:0']]
    local exit = child.run { child.binary(), 'status', server.url }
    assert.equal(0, exit.code, exit.output)
    local text, filters = read(c.root .. '/lua/README.md'), c.root .. '/lua/perilune/entry/filter/'
    local metrics = exit.output
    for name in lfs.dir(filters) do
      local source = name:match '%.lua$' and read(filters .. name) or ''
      for metric in source:gmatch "counter%(? ?'([%w_]+)'" do
        metrics = ('%s\n%s'):format(metrics, metric)
      end
    end
    assert.matches('\nperilune_calls_arrived ', metrics)
    assert.matches('\nperilune_limited', metrics)
    for name in metrics:gmatch '%f[%w_](perilune_[%w_]+)' do
      assert.truthy(text:find('[`]' .. name .. '[`{]'), name .. ' is not in lua/README.md')
    end
  end)

  it('and annotations know each option', function()
    local meta = read(c.root .. '/lua/perilune/_meta/perilune.lua')
    local page = read(c.root .. '/docs/configuration.md')
    local function fields(class)
      local found = {}
      for line in meta:match('%-%-%-@class perilune%.' .. class .. '.-\n\n'):gmatch '[^\n]+' do
        found[line:match '^%-%-%-@field ([%w_]+)' or ''] = true
      end
      return found
    end
    local of_methods = fields 'MethodOptions'
    for title, class in pairs {
      methods = 'MethodOptions',
      exports = 'ExportSpec',
      refers = 'ReferSpec',
      listeners = 'ListenSpec',
    } do
      local own = fields(class)
      local options = page:match('\n## Options of ' .. title .. '\n(.-)\n## ')
      for option in options:gmatch '\n| `([%w_]+)` |' do
        local known = own[option] or title ~= 'listeners' and of_methods[option]
        assert.is_true(known, ('%s: %s'):format(class, option))
      end
    end
  end)

  it('has a section for each extension point', function()
    local exit = child.run { child.binary(), 'plugins', '--json' }
    assert.equal(0, exit.code, exit.output)
    local titles = anchors(c.root .. '/lua/README.md')
    local text = read(c.root .. '/lua/README.md')
    for point in exit.output:gmatch '"point":"([%w_]+)"' do
      local title, example =
        text:match('\n| %[' .. point .. '%]%(#([%w_-]+)%)[^\n]*`([%w/-]+)` |\n')
      assert.is_true(titles[title], point .. ' has no section in lua/README.md')
      assert.is_truthy(lfs.attributes(c.root .. '/' .. example), point .. ' has no example')
    end
  end)
end)
