-- SPDX-License-Identifier: MIT
-- A command: `perilune greet moon`. It is found by its name on the Lua path. May wait.
return {
  name = 'greet',
  help = 'Greets whoever is named.',
  parser = function(parser)
    parser:argument 'name'
  end,
  run = function(args)
    print('command: hello ' .. args.name)
    return 0
  end,
}
