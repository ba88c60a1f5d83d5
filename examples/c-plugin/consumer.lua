-- SPDX-License-Identifier: MIT
-- Asks for texts that come compressed by the plugin.
local perilune = require 'perilune'

local folder = (...) or 'memory://library'

local library = perilune.refer {
  interface = 'demo.Library',
  registry = folder,
  compression = 'brotli',
}

perilune.main(function()
  local text, err = library:read 'the moon'
  if err then
    print(err)
    return 1
  end
  print(('%d bytes, and they begin: %s'):format(#text, text:sub(1, 33)))
end)
