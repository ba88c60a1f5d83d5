-- SPDX-License-Identifier: MIT
-- Arrows point down only (design, section 2): reads #include lines and require calls and refuses an
-- upward or sideways one. What peers speak is known in src/protocol only: elsewhere code names no
-- such protocol, comments may. usage: luajit .ci/layers.lua FILE...

-- What the sources of a layer may include.
local C = {
  base = { 'base' },
  future = { 'base', 'future' },
  transport = { 'base', 'transport' },
  protocol = { 'base', 'transport', 'future', 'protocol' },
  cluster = { 'base', 'transport', 'future', 'protocol', 'cluster' },
  entry = { 'base', 'transport', 'future', 'protocol', 'cluster', 'entry' },
}
local LUA_LAYERS = { lua = true, process = true }
local LUA_HEADERS =
  { ['lua.h'] = true, ['lauxlib.h'] = true, ['lualib.h'] = true, ['luajit.h'] = true }
local RANK = { transport = 1, protocol = 2, cluster = 3, entry = 4, cli = 5 }

local failures = 0

local function fail(path, line, text)
  failures = failures + 1
  print(('%s:%d: %s'):format(path, line, text))
end

local function contains(list, item)
  for _, candidate in ipairs(list) do
    if candidate == item then
      return true
    end
  end
  return false
end

local function exists(path)
  local file = io.open(path)
  if file then
    file:close()
  end
  return file ~= nil
end

local function check_include(path, n, layer, kind, target)
  if kind == '<' then
    if LUA_HEADERS[target] and not LUA_LAYERS[layer] and path ~= 'src/main.c' then
      fail(path, n, ('<%s> belongs to src/lua and src/process only'):format(target))
    end
    return
  end
  local into = target:match('^(%w+)/')
  if not exists('src/' .. target) then
    fail(path, n, ('"%s" is not a path below src/'):format(target))
  elseif layer and C[layer] and into and not contains(C[layer], into) then
    fail(path, n, ('%s may not include %s ("%s")'):format(layer, into, target))
  end
end

-- A comment that follows a string or stands alone; "//" inside a string has no space behind it.
local function without_comment(line)
  return (' ' .. line):gsub('%s//%s.*$', '')
end

local function check_names(path, n, line)
  local code = without_comment(line):lower()
  for _, name in ipairs { 'joyrpc', 'dubbo' } do
    if code:find(name, 1, true) then
      fail(path, n, ('code outside src/protocol names the protocol %s'):format(name))
    end
  end
end

local function check_c(path)
  local layer = path:match('^src/(%w+)/')
  local own = path:match('^src/(.*)%.c$')
  local first = own and exists('src/' .. own .. '.h') and own .. '.h'
  local n = 0
  for line in io.lines(path) do
    n = n + 1
    if layer ~= 'protocol' then
      check_names(path, n, line)
    end
    local kind, target = line:match('^%s*#%s*include%s*([<"])([^>"]+)')
    if target then
      if first and target ~= first then
        fail(path, n, ('the first include should be its own header "%s"'):format(first))
      end
      first = nil
      check_include(path, n, layer, kind, target)
    end
  end
end

local function check_lua(path)
  local layer = path:match('^lua/perilune/(%w+)/')
    or path:match('^lua/perilune/cli%.lua$') and 'cli'
  local rank, n = RANK[layer], 0
  for line in io.lines(path) do
    n = n + 1
    for target in line:gmatch('require%s*%(?%s*[\'"]perilune%.([%w_]+)') do
      if rank and RANK[target] and RANK[target] > rank then
        fail(path, n, ('%s may not require %s'):format(layer, target))
      end
    end
  end
end

for _, path in ipairs(arg) do
  if path:match('^src/.*%.[ch]$') then
    check_c(path)
  elseif path:match('^lua/.*%.lua$') then
    check_lua(path)
  end
end
os.exit(failures == 0 and 0 or 1)
