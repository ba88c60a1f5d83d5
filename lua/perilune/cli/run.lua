-- SPDX-License-Identifier: MIT
local settings = require 'perilune.cli.settings'

local M = { summary = 'Run an entrypoint; SIGTERM drains.' }

function M.describe(parser)
  parser:argument('script', 'The Lua file to run.')
  parser:argument('args', 'Arguments of the script, after --.'):args '*'
  parser
    :option('--workers', 'Worker threads (default: one per core, one without a listener).')
    :argname '<n>'
    :convert(tonumber)
  parser:option('--config', 'A configuration file, Lua or JSON.'):argname '<file>'
  parser
    :option(
      '--stall-timeout',
      'End the process when a worker is stuck this long, in ms; 0 = never.'
    )
    :argname '<ms>'
    :convert(tonumber)
  parser
    :option('--drain-timeout', 'Longest time for calls in progress on SIGTERM, in ms.')
    :argname '<ms>'
    :convert(tonumber)
end

---@async
function M.run(args)
  local conf, message = settings.resolve({
    workers = args.workers,
    stall_timeout = args.stall_timeout,
    drain_timeout = args.drain_timeout,
  }, args.config or os.getenv 'PERILUNE_CONFIG')
  if not conf then
    return 2, message
  end
  conf.path, conf.args = args.script, args.args
  local ok
  ok, message = require('perilune.process.run').start(conf)
  if not ok then
    return 1, message
  end
end

return M
