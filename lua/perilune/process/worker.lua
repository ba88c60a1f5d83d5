-- SPDX-License-Identifier: MIT
-- What a worker does, told by letters of the control VM (process/run.lua): load the entrypoint and
-- say what it declared; commit; run main; drain.
local admin = require 'perilune.process.admin'
local core = require 'perilune.core'
local declare = require 'perilune.entry.declare'
local errors = require 'perilune.error'
local options = require 'perilune.entry.options'
local settings = require 'perilune.process.settings'

local M = {}

local DRAIN_POLL = 10 -- ms
local LINGER = 500 -- ms that peers get to see our goodbye before connections are closed

local function tell(name, reply)
  core.post(0, name, core.encode(reply))
end

local function traced(err)
  return errors.is(err) and err or debug.traceback(tostring(err), 2)
end

-- Runs perilune.main and turns what it gives into an exit code.
local function run_main(fn, args)
  local ok, result, err = xpcall(fn, traced, args)
  if not ok then
    return 1, 'perilune.main: ' .. tostring(result)
  elseif err ~= nil then
    return 1, 'perilune.main: ' .. tostring(err)
  elseif type(result) == 'number' then
    return result % 256
  end
  return result == false and 1 or 0
end

local function on_commit()
  local ok, done, message = xpcall(declare.commit, traced, true)
  if ok and done then
    ok, message = pcall(admin.open)
    tell('committed', { ok = ok, message = not ok and tostring(message) or nil })
  else
    tell('committed', { ok = false, message = tostring(ok and message or done) })
  end
end

-- Waits until `done()`, at most until `till`.
local function wait_until(till, done)
  while not done() and core.clock() < till do
    core.sleep(DRAIN_POLL)
  end
  return done()
end

-- Calls in progress end first, then clients and stop functions, connections last.
local function on_drain(payload)
  local conf = core.decode(payload) or {}
  local till = core.clock() + (conf.timeout or 30000)
  core.drain_begin()
  local finished = wait_until(till, function()
    return core.drain_left() == 0
  end)
  pcall(declare.close)
  wait_until(math.min(till, core.clock() + LINGER), function()
    return select(2, core.drain_left()) == 0
  end)
  core.drain_finish()
  wait_until(math.min(till, core.clock() + LINGER), function()
    return select(2, core.drain_left()) == 0
  end)
  tell('drained', { finished = finished, left = (core.drain_left()) })
end

---@async
---@param argument string  JSON: path, args, defaults
function M.main(argument)
  local conf = core.decode(argument)
  settings.apply(conf.limits or {})
  core.on_message('commit', on_commit)
  core.on_message('drain', on_drain)
  if core.embedded and core.worker == 1 then
    require('perilune.process.embed').serve()
  end
  core.on_message('main', function()
    local code, message = run_main(declare.declarations().main, conf.args)
    tell('main_done', { code = code, message = message })
  end)
  if conf.defaults then
    options.set_defaults(conf.defaults)
  end
  local declarations, message = declare.load(conf.path, conf.args)
  tell('loaded', {
    ok = declarations ~= nil,
    message = message,
    digest = declarations and declare.digest() or nil,
  })
end

return M
