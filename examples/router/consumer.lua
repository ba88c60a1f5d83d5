-- SPDX-License-Identifier: MIT
local perilune = require 'perilune'
require 'routers'

local registry = ...

local function cache(options)
  options.interface, options.registry = 'demo.Cache', registry
  return perilune.refer(options)
end

local impatient = cache { router = { 'impatient', patience = 30 } }
local forking = cache { router = { 'forking', forks = 0 } } -- the first success wins
local everybody = cache { router = 'broadcast' }
local pinned = cache { router = { 'pinpoint', by = 'name', attachment = 'to' } }
local quiet = cache { router = { 'failsafe', result = 'nothing' }, selectors = { 'broken_only' } }
local patient = cache { retries = 5, idempotent = true, retry_on = { 'no_disk', 'TIMEOUT' } }

perilune.selector('broken_only', function(ctx, call, nodes)
  return nodes:where('name', 'broken')
end)

perilune.main(function()
  for _, service in ipairs { impatient, forking, everybody, pinned, quiet, patient } do
    perilune.check(perilune.ready(service, 5000, 3))
  end
  print('impatient:', impatient:get 'a')
  print('forking:', forking:get 'b')
  for _, answer in ipairs(perilune.check(everybody:drop 'c')) do
    print('broadcast:', answer.result or 'nothing dropped')
  end
  local named = perilune.with(pinned, { attachments = { to = 'quick' } })
  print('pinpoint:', named:get 'd')
  print('failsafe:', quiet:get 'e')
  print('retry_on:', (perilune.check(patient:get 'f'):gsub('slow', 'quick')))
  return 0
end)
