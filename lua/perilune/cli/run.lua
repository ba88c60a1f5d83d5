-- SPDX-License-Identifier: MIT
local settings = require 'perilune.cli.settings'
local known = require 'perilune.process.settings'

local M = { summary = 'Run an entrypoint; SIGTERM drains.' }

local PLACES = { ms = '<ms>', bytes = '<bytes>' }

local function add_flag(parser, name)
  parser
    :option('--' .. name:gsub('_', '-'), (known.help(name):gsub('^%l', string.upper)) .. '.')
    :argname(PLACES[known.schema[name].unit] or '<n>')
    :convert(function(text)
      return known.value(name, text)
    end)
end

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
  parser:option('--config', 'A configuration file, Lua or JSON.'):argname '<file>'
  for _, name in ipairs(known.flags) do
    add_flag(parser, name)
  end
  parser:epilog(
    'Each of these is also a setting of the configuration file (queue_age) and of the environment\n'
      .. '(PERILUNE_QUEUE_AGE), as are:\n\n'
      .. others()
  )
end

---@async
function M.run(args)
  local conf, message =
    settings.resolve(settings.flags(args), args.config or os.getenv 'PERILUNE_CONFIG')
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
