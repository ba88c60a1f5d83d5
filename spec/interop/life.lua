-- SPDX-License-Identifier: MIT
-- Providers of demo.joyrpc.Place in Lua and Java that come and go, and consumers under load.
--
--   local one = life.lua('one')                       life.java('two', { port = 22000 })
--   local load = life.load(one.url .. ';' .. two.url, { rate = 200 })
--   one:kill 'TERM'
--   local seen = load:report()                        seen.calls, seen.from.one, seen.failed['...']
local app = require 'spec.support.app'
local eventually = require 'spec.support.eventually'
local ffi = require 'ffi'
local java = require 'spec.interop.java'

local M = {}

local START_LIMIT, REPORT_LIMIT = 60, 30 -- seconds

-- `%s`: name, options of the export, address, what comes before, what follows the name in the answer.
local LEAF = [[
perilune.export { interface = 'demo.joyrpc.Place', alias = 'prod', %s, service = {
  where = function(_, text) return '%s:' .. text end,
  slow = function(_, text, ms) perilune.sleep(ms) return '%s:' .. text end,
} }
perilune.listen '%s'
]]

local RELAY = [[
local place = perilune.refer {
  interface = 'demo.joyrpc.Place', alias = 'prod', url = '%s', idempotent = true, check = false,
  %s
}
local function through(text, err)
  if err then return nil, err end
  return '%s>' .. text
end
perilune.export { interface = 'demo.joyrpc.Place', alias = 'prod', %s, service = {
  where = function(_, text) return through(place:where(text)) end,
  slow = function(_, text, ms) return through(place:slow(text, perilune.java.int(ms))) end,
} }
perilune.listen '%s'
]]

-- A provider in Lua. `options`: port, export (options of the export as Lua text), via (URL of those
-- that it calls on to), refer (options of that), args of the process.
---@param name string
---@param options? table
---@return table process  with url (joy://) and port
function M.lua(name, options)
  options = options or {}
  local listen = 'tcp://127.0.0.1:' .. (options.port or 0)
  local export = options.export or 'weight = 100'
  local text
  if options.via then
    local via = options.via:gsub('joy://', 'joyrpc://'):gsub(';', ',')
    text = RELAY:format(via, options.refer or '', name, export, listen)
  else
    text = LEAF:format(export, name, name, listen)
  end
  local process = app.serve(text, { args = options.args, env = options.env })
  process.port = tonumber(process.url:match ':(%d+)$')
  process.url = 'joy://127.0.0.1:' .. process.port
  return process
end

-- A stock provider.
---@param name string
---@param options? table  settings of demo.joyrpc.Life; `later` does not wait until it serves
---@return table process  with url and port
function M.java(name, options)
  local settings = { name = name, port = java.free_port() }
  for key, value in pairs(options or {}) do
    settings[key] = value
  end
  local process = java.start('joyrpc', 'demo.joyrpc.Life', settings)
  process.port, process.url = settings.port, 'joy://127.0.0.1:' .. settings.port
  process.settings = settings
  if not settings.later then
    M.ready(process)
  end
  return process
end

-- Waits until a provider serves that was started with `later`.
---@param process table
function M.ready(process)
  process:wait_line('ready\n', START_LIMIT)
end

local Wire = {}
Wire.__index = Wire

-- Stands before a provider and counts what passes; `url` is what consumers call then.
---@param to table  a provider
---@param options? {show?: integer}
function M.wire(to, options)
  local port = java.free_port()
  local settings = { port = port, to = to.port, show = options and options.show }
  local process = java.start('joyrpc', 'demo.joyrpc.Wire', settings)
  process:wait_line('ready\n', START_LIMIT)
  return setmetatable({ process = process, port = port, url = 'joy://127.0.0.1:' .. port }, Wire)
end

-- Tells it: 'hold', 'flow'; what it prints.
---@param line string
---@return string
function Wire:tell(line)
  local begin = #self.process.output
  self.process:write(line .. '\n')
  self.process:wait_line('done ' .. line .. '\n', REPORT_LIMIT)
  return self.process.output:sub(begin + 1)
end

-- How often frames of each type passed, 'up 10' = 3, calls and answers of each serialization and
-- compression, 'calls up 14 3' = 5, and `dials`.
---@return table<string, integer>
function Wire:report()
  local seen = setmetatable({}, {
    __index = function()
      return 0
    end,
  })
  local text = self:tell 'report'
  for key, count in text:gmatch 'frames (%a+ %d+) (%d+)' do
    seen[key] = tonumber(count)
  end
  for key, count in text:gmatch '(calls %a+ %d+ %d+) (%d+)' do
    seen[key] = tonumber(count)
  end
  seen.dials = tonumber(text:match 'dials (%d+)')
  return seen
end

local Load = {}
Load.__index = Load

local function read(text)
  local load = { from = {}, failed = {}, failures = 0, answers = 0 }
  for line in text:gmatch '[^\n]+' do
    local what, count, key = line:match '^(%a+) (%d+) ?(.*)$'
    count = tonumber(count)
    if what == 'calls' or what == 'skipped' then
      load[what] = count
    elseif what == 'from' then
      load.from[key], load.answers = count, load.answers + count
    elseif what == 'failed' then
      load.failed[key], load.failures = count, load.failures + count
    end
  end
  setmetatable(load.from, {
    __index = function()
      return 0
    end,
  })
  return load
end

-- A stock consumer under load.
---@param url string
---@param settings? table  of demo.joyrpc.Load
function M.load(url, settings)
  local all = { url = url, retries = 1 }
  for key, value in pairs(settings or {}) do
    all[key] = value
  end
  local process = java.start('joyrpc', 'demo.joyrpc.Load', all)
  process:wait_line('ready\n', START_LIMIT)
  return setmetatable({ process = process }, Load)
end

local function ask(self, line)
  local begin = #self.process.output
  self.process:write(line .. '\n')
  self.process:wait_line('done ' .. line .. '\n', REPORT_LIMIT)
  return read(self.process.output:sub(begin + 1))
end

-- What has been seen since the beginning or since it was taken last.
---@return {calls: integer, skipped: integer, answers: integer, failures: integer, from: table, failed: table}
function Load:report()
  return ask(self, 'report')
end

-- The same; counting then begins anew.
function Load:take()
  return ask(self, 'take')
end

-- Ends it when its calls have ended; the last report.
function Load:stop()
  local begin = #self.process.output
  self.process:write 'stop\n'
  self.process:wait_line('stopped\n', REPORT_LIMIT)
  local seen = read(self.process.output:sub(begin + 1))
  self.process:wait(REPORT_LIMIT)
  return seen
end

-- Waits until a report satisfies `accept`.
---@param accept fun(seen: table): any
---@param what string
---@param limit? number seconds
function Load:wait(accept, what, limit)
  local seen
  local function step()
    ffi.C.poll(nil, 0, 200)
  end
  local ok, why = pcall(eventually, function()
    seen = self:report()
    return accept(seen)
  end, { what = what, limit = limit or 60, step = step })
  if not ok then
    error(('%s; seen last: %s'):format(why, self.process.output:match '.*(calls %d+.*)$'), 2)
  end
  return seen
end

return M
