-- SPDX-License-Identifier: MIT
local output = require 'perilune.cli.output'

local M = { summary = 'Print a completion script for a shell.' }

function M.describe(parser)
  parser:argument('shell', 'bash, zsh or fish.'):choices { 'bash', 'zsh', 'fish' }
  output.describe(parser)
  parser:epilog 'For this shell: source <(perilune completion bash)'
end

function M.run(args)
  local parser = require('perilune.cli').parser()
  return output.write(args, parser[('get_%s_complete'):format(args.shell)](parser))
end

return M
