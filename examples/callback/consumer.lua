-- SPDX-License-Identifier: MIT
local perilune = require 'perilune'

local news = perilune.refer { interface = 'demo.News', registry = (...) }

perilune.main(function()
  local function listen(ctx, text)
    print(('%s, %s, with %d ms to answer'):format(text, ctx.peer and 'called back', ctx:left()))
    return 'thank you for ' .. text
  end
  print(perilune.check(news:subscribe('moon', listen)))
  print('told:', perilune.check(news:publish('moon', 'the moon is up')))
  print('told:', perilune.check(news:publish('sun', 'the sun is up')))
  perilune.release(listen)
  print('told:', perilune.check(news:publish('moon', 'the moon is down')))
  return 0
end)
