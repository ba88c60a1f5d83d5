-- SPDX-License-Identifier: MIT
local core = require 'perilune.core'
local settings = require 'perilune.cli.settings'
local known = require 'perilune.process.settings'

local M = { summary = 'Run an entrypoint; SIGTERM drains, SIGHUP reloads.' }

-- Every setting that has no flag, one a line.
local function others()
  local is_flag, lines = {}, {}
  for _, name in ipairs(known.flags) do
    is_flag[name] = true
  end
  for _, name in ipairs(known.names) do
    if not is_flag[name] then
      lines[#lines + 1] = ('   %-26s %s'):format(name, known.help(name))
    end
  end
  return table.concat(lines, '\n')
end

function M.describe(parser)
  parser:argument('script', 'The Lua file to run.')
  parser:argument('args', 'Arguments of the script, after --.'):args '*'
  settings.describe(parser)
  parser:epilog(
    'Each of these is also a setting of the configuration file (queue_age) and of the environment\n'
      .. '(PERILUNE_QUEUE_AGE), as are:\n\n'
      .. others()
  )
end

---@async
function M.run(args)
  local conf, message = settings.of(args)
  if not conf then
    return 2, message
  end
  for _, unknown in ipairs(settings.unknown_environment()) do
    core.log('warn', 'CONFIG', 'environment: ' .. unknown)
  end
  local function complete(read)
    read.path, read.args = args.script, args.args
    function read.reread()
      local again, wrong = settings.of(args)
      return again and complete(again), wrong
    end
    return read
  end
  local ok
  ok, message = require('perilune.process.run').start(complete(conf))
  if not ok then
    return 1, message
  end
end

return M
