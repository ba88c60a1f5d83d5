-- SPDX-License-Identifier: MIT
-- A consumer of demo.Greeter:
--
--   perilune run examples/quickstart/consumer.lua [-- URL-OR-REGISTRY]
local perilune = require 'perilune'
require 'policies' -- beside this file

local where = ... or 'joyrpc://127.0.0.1:22000'
local listed = where:match '^file:' ~= nil

local greeter = perilune.refer {
  interface = 'demo.Greeter',
  alias = 'prod',
  registry = listed and where or nil,
  url = not listed and where or nil,
  filters = { 'explain' },
  selectors = { 'canary' },
  loadbalance = 'least_asked',
  timeout = 5000,
}
local canary = perilune.with(greeter, { attachments = { canary = true } })

perilune.main(function()
  perilune.check(perilune.ready(greeter, 5000, listed and 2 or 1)) -- how many nodes are enough

  -- One after the other: each call parks this coroutine, nothing else stands still.
  for _, who in ipairs { 'moon', 'mars', 'venus', 'pluto' } do
    print(perilune.check(greeter:hello(who)))
  end
  print(perilune.check(canary:hello 'canary'))

  -- Side by side: both answers are there after 50 ms.
  local async = perilune.async(greeter)
  local both = perilune.check(perilune.all({ async:slow(50), async:slow(50) }):await())
  print(both[1])
  print(both[2])

  -- An error is a value: test it, or perilune.check raises it.
  local _, err = greeter:fail()
  print(err)
  return 0
end)
