-- SPDX-License-Identifier: MIT
local core = require 'perilune.core'

local M = { summary = 'Show the version.' }

function M.describe(parser)
  parser:flag('--json', 'As one JSON object.')
end

function M.run(args)
  if args.json then
    print(core.encode { version = core.version, lua = jit.version, library = core.library })
  else
    print(('perilune %s (%s)'):format(core.version, jit.version))
  end
  return 0
end

return M
