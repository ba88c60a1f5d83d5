-- SPDX-License-Identifier: MIT
-- What a worker does, told by letters of the control VM (process/run.lua): load the entrypoint and
-- say what it declared; commit; run main; drain.
local admin = require 'perilune.process.admin'
local core = require 'perilune.core'
local declare = require 'perilune.entry.declare'
local errors = require 'perilune.error'
local exit = require 'perilune.exit'
local generation = require 'perilune.generation'
local options = require 'perilune.entry.options'
local plugin = require 'perilune.plugin'
local reload = require 'perilune.entry.reload'
local settings = require 'perilune.process.settings'

local M = {}

local DRAIN_POLL = 10 -- ms
local LINGER = 500 -- ms that peers get to see our goodbye before connections are closed
local FAREWELL = 5000 -- ms after which we go even if they still send

local empty = false -- no generation was here before

local function tell(name, reply)
  core.post(0, name, core.encode(reply))
end

local function traced(err)
  return errors.is(err) and err or debug.traceback(tostring(err), 2)
end

-- Runs perilune.main and turns what it gives into an exit code.
local function run_main(fn, args)
  local ok, result, err = xpcall(fn, traced, args)
  if exit.code then
    return exit.code
  elseif not ok then
    return 1, 'perilune.main: ' .. tostring(result)
  elseif err ~= nil then
    return 1, 'perilune.main: ' .. tostring(err)
  elseif type(result) == 'number' then
    return result % 256
  end
  return result == false and 1 or 0
end

local function ask_exit(code, place)
  tell('exit', { code = code, place = place })
end

local function on_commit()
  local ok, done, message = xpcall(declare.commit, traced, true)
  if ok and done then
    exit.forbidden, exit.leave = false, ask_exit
    ok, message = pcall(core.role == 'executor' and admin.serve or admin.open)
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

-- Waits until no call is left and peers have seen our goodbye: they are gone, or have sent nothing
-- for a while. Those that never stop are not waited for. True when no call is left.
local function wait_for_peers(till)
  local leave = math.min(till, core.clock() + FAREWELL)
  local seen, quiet_at = nil, 0
  wait_until(till, function()
    local calls, connections, arrived = core.drain_left()
    local now = core.clock()
    if calls > 0 or arrived ~= seen then
      seen, quiet_at = arrived, now + LINGER
    end
    return calls == 0 and (connections == 0 or now >= quiet_at) or now >= leave
  end)
  core.drain_refuse()
  return wait_until(till, function()
    return core.drain_left() == 0
  end)
end

-- Calls in progress end first, then clients and stop functions, connections last.
local function on_drain(payload)
  local conf = core.decode(payload) or {}
  local till = core.clock() + (conf.timeout or 30000)
  core.drain_begin()
  local finished = wait_for_peers(till)
  pcall(declare.close)
  reload.close()
  core.drain_finish()
  wait_until(math.min(till, core.clock() + LINGER), function()
    return select(2, core.drain_left()) == 0
  end)
  tell(conf.answer or 'drained', { finished = finished, left = (core.drain_left()) })
end

-- Answers a step of a reload: `step(request)` gives true or a table for the answer, or nil and why not.
local function on_step(name, answer, step)
  core.on_message(name, function(payload)
    local ok, result, message = xpcall(step, traced, core.decode(payload))
    if ok and result then
      local reply = type(result) == 'table' and result or {}
      reply.ok = true
      tell(answer, reply)
    else
      tell(answer, { ok = false, message = tostring(ok and message or result) })
    end
  end)
end

local function serve_reloads()
  on_step('reload.load', 'reload.loaded', function(request)
    local began = core.hrtime()
    local mine, message = reload.load(request.number, request)
    core.forgive(core.hrtime() - began) -- a pause of ours is no overload
    return mine and { digest = declare.digest(request.number) }, message
  end)
  on_step('reload.open', 'reload.opened', function(request)
    return reload.open(request.number)
  end)
  on_step('reload.discard', 'reload.discarded', function(request)
    reload.discard(request.number)
    return true
  end)
  on_step('reload.switch', 'reload.switched', function(request)
    local began = core.hrtime()
    local old = reload.switch(request.number, true)
    core.forgive(core.hrtime() - began)
    settings.apply(request.limits)
    core.executors = request.executors
    core.spawn(function()
      if not empty then
        reload.retire(old, true, request.grace)
      end
      empty = false
      tell('reload.retired', { ok = true })
    end, nil, nil, true)
    return true
  end)
end

-- An executor that a reload adds has loaded nothing, as if that were the generation before; it takes no
-- call of that. From here on it takes part in the reload like the others.
local function begin_empty(number)
  plugin.begin(number)
  generation.active = number
  empty, exit.leave = true, ask_exit
  admin.serve()
  tell('begun', { ok = true })
end

---@async
---@param argument string  JSON: path, args, defaults
function M.main(argument)
  local conf = core.decode(argument)
  settings.apply(conf.limits or {})
  core.on_message('commit', on_commit)
  core.on_message('drain', on_drain)
  serve_reloads()
  if conf.after then
    return begin_empty(conf.after)
  end
  exit.forbidden = exit.of_embedded()
  generation.activate(1)
  if core.embedded and core.worker == 1 then
    require('perilune.process.embed').serve()
  end
  core.on_message('main', function()
    local done = reload.pin()
    local code, message = run_main(declare.declarations().main, conf.args)
    done()
    tell('main_done', { code = code, message = message })
  end)
  options.configure(conf)
  local declarations, message = declare.load(conf.path, conf.args)
  tell('loaded', {
    ok = declarations ~= nil,
    message = message,
    digest = declarations and declare.digest() or nil,
  })
end

return M
