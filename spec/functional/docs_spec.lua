-- SPDX-License-Identifier: MIT
-- What the pages say: their Lua is Lua, whole programs among it load, the page of errors is up to date,
-- and links lead somewhere.
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
