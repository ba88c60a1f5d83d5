-- SPDX-License-Identifier: MIT
-- The service every process serves about itself, as `perilune.Admin`. `perilune status URL` reads it.
-- It tells about the process, so only peers on this machine are answered.
local core = require 'perilune.core'
local declare = require 'perilune.entry.declare'
local errors = require 'perilune.error'

local M = {}

local KEY = 'perilune.process.' -- in the shared store

-- What the control VM knows and every worker may be asked for.
---@param name string
---@param value string|number|boolean|nil
function M.publish(name, value)
  core.shared_set(KEY .. name, value)
end

-- A filter: what a process tells of itself is for its own machine.
local function only_local(ctx, call, next)
  if not ctx.is_local then
    return nil, errors.new('FORBIDDEN', 'perilune.Admin answers only peers on its own machine')
  end
  return next(ctx, call)
end

local function status()
  local function get(name)
    return core.shared_get(KEY .. name)
  end
  local started = get 'started'
  return {
    version = core.version,
    pid = core.pid(),
    script = get 'script',
    ready = get 'ready' or false,
    workers = core.workers,
    answered_by = core.worker,
    uptime_ms = started and core.walltime() - started,
    listening = core.decode(get 'listening' or '[]'),
    services = core.decode(get 'services' or '[]'),
    metrics = core.metrics(),
  }
end

-- Puts the service into this worker, beside what the script exports.
function M.open()
  declare.export {
    interface = 'perilune.Admin',
    filters = { only_local },
    service = {
      status = status,
      -- What waits in the worker that answers, and where.
      fibers = function()
        return core.array(core.fibers())
      end,
      ping = function()
        return 'pong'
      end,
    },
  }
end

return M
