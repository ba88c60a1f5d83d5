-- SPDX-License-Identifier: MIT
-- The service every process serves about itself, as `perilune.Admin`. `perilune status URL` reads it.
-- It tells about the process, so only peers on this machine are answered.
local attach = require 'perilune.process.attach'
local core = require 'perilune.core'
local declare = require 'perilune.entry.declare'
local errors = require 'perilune.error'
local fibers = require 'perilune.process.fibers'
local figures = require 'perilune.process.figures'

local M = {}

local KEY = 'perilune.process.' -- in the shared store

-- What the control VM knows and every worker may be asked for.
---@param name string
---@param value string|number|boolean|nil
function M.publish(name, value)
  core.shared_set(KEY .. name, value)
end

-- The generations that live, newest first.
local generations = {}

local function publish_generations()
  M.publish('generations', core.encode(core.array(generations)))
end

-- The control VM: this is what serves now.
---@param mine perilune.Declarations
function M.loaded(mine)
  local row = { number = mine.number, loaded = core.walltime(), source = mine.hash }
  table.insert(generations, 1, row)
  publish_generations()
end

-- The control VM: nothing is left of that one.
---@param number integer
function M.retired(number)
  for i, row in ipairs(generations) do
    if row.number == number then
      table.remove(generations, i)
      return publish_generations()
    end
  end
end

-- The control VM: a reload has begun, or is over.
---@param is_busy boolean
function M.reloading(is_busy)
  M.publish('reloading', is_busy and core.walltime() or nil)
end

-- With what each still has to do, in all workers.
local function live_generations(metrics)
  local list = core.decode(core.shared_get(KEY .. 'generations') or '[]')
  for i, row in ipairs(list) do
    local prefix = i == 1 and 'perilune_generation_' or 'perilune_old_generation_'
    row.age_ms = core.walltime() - row.loaded
    row.calls, row.fibers = metrics[prefix .. 'calls'] or 0, metrics[prefix .. 'fibers'] or 0
  end
  return core.array(list)
end

local asked, answers = 0, {} -- by number: the fiber that waits, then the answer

-- Has the control VM reload the process and waits for what comes of it.
---@async
local function reload()
  asked = asked + 1
  local id = asked
  answers[id] = core.fiber()
  core.post(0, 'reload', core.encode { id = id })
  local ok, answer = core.park()
  answers[id] = nil
  if not ok then
    return nil, errors.new(answer, 'the reload goes on; its outcome will be in the log')
  elseif not answer.result then
    return nil, errors.new('PRECONDITION', answer.message)
  end
  return answer.result
end

local function on_answer(payload)
  local answer = core.decode(payload)
  core.wake(answers[answer.id] or 0, answer)
end

-- A filter: what a process tells of itself is for its own machine.
local function only_local(ctx, call, next)
  if not ctx.is_local then
    return nil, errors.new('FORBIDDEN', 'perilune.Admin answers only peers on its own machine')
  end
  return next(ctx, call)
end

---@async
local function status()
  local function get(name)
    return core.shared_get(KEY .. name)
  end
  local started, reloading, metrics = get 'started', get 'reloading', core.metrics()
  local collected = figures.collect()
  return {
    version = core.version,
    pid = core.pid(),
    script = get 'script',
    ready = get 'ready' or false,
    workers = core.workers,
    executors = core.executors > 0 and core.executor_stats() or nil,
    answered_by = core.worker,
    uptime_ms = started and core.walltime() - started,
    listening = core.decode(get 'listening' or '[]'),
    services = core.decode(get 'services' or '[]'),
    generations = live_generations(metrics),
    reloading_ms = reloading and core.walltime() - reloading,
    methods = collected.methods,
    nodes = collected.nodes,
    figures_of = collected.workers,
    metrics = metrics,
  }
end

-- What this VM answers the others.
function M.serve()
  figures.serve()
  fibers.serve()
  attach.serve()
end

-- Puts the service into this worker, beside what the script exports.
function M.open()
  M.serve()
  core.on_message('reload.answer', on_answer)
  declare.export {
    interface = 'perilune.Admin',
    filters = { only_local },
    service = {
      status = status,
      -- What waits in each VM, and where.
      fibers = function(_, most)
        return fibers.collect(type(most) == 'number' and most or nil)
      end,
      -- Names of the filters around each method of an exported interface, as the handler last.
      chains = function(_, interface)
        return core.array((declare.chains(interface)))
      end,
      reload = reload,
      -- Looks at something in one VM, or runs it there.
      attach = attach.run,
      ping = function()
        return 'pong'
      end,
    },
  }
end

return M
