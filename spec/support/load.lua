-- SPDX-License-Identifier: MIT
-- Steady load in functional specs: providers and a consumer that find each other through a folder.
local app = require 'spec.support.app'
local child = require 'spec.support.child'
local cjson = require 'cjson'
local eventually = require 'spec.support.eventually'

local M = {}

local PROVIDER = [[
perilune.export { interface = 'load.Service', registry = 'file://%s', service = {
  work = function(ctx, n) perilune.sleep(2) return n end,
} }
perilune.listen 'tcp://127.0.0.1:0'
]]

-- Sixteen callers until the file is gone; prints how many calls succeeded and each failure.
local CONSUMER = [[
local service = perilune.refer { interface = 'load.Service', registry = 'file://%s', %s }
perilune.main(function()
  local succeeded, failed, live = 0, 0, 16
  local function caller(first)
    while true do
      local file = io.open(%q)
      if not file then
        break
      end
      file:close()
      local result, err = service:work(first)
      if err == nil and result == first then
        succeeded = succeeded + 1
      else
        failed = failed + 1
        print('failed:', err, err and err.outcome)
      end
    end
    live = live - 1
  end
  perilune.check(perilune.ready(service, 5000))
  for i = 1, 16 do perilune.spawn(caller, i) end
  while live > 0 do perilune.sleep(5) end
  print(('succeeded %%d failed %%d'):format(succeeded, failed))
end)
]]

---@class peri.spec.Load
---@field folder string
---@field consumer table
---@field run string

function M.provider(folder)
  return app.serve(PROVIDER:format(folder), { args = { '--workers', '2' } })
end

-- Starts the consumer; `options` is Lua text of further options of its refer.
---@return peri.spec.Load
function M.consumer(folder, options)
  local run = app.script('', 'run')
  local consumer = app.start(CONSUMER:format(folder, options, run))
  return { consumer = consumer, run = run, folder = folder }
end

-- A folder for the registry, made by the first provider.
function M.folder()
  return (app.script('', 'none'):gsub('/none$', '/registry'))
end

function M.answered(server)
  local result = child.read { child.binary(), 'status', server.url, '--json' }
  local ok, status = pcall(cjson.decode, result.output)
  return ok and status.metrics and status.metrics.perilune_calls_answered or 0
end

-- Until the consumer uses a provider; asking counts as a call, too.
function M.wait_until_used(server)
  local asked, first = 0, M.answered(server)
  eventually(function()
    asked = asked + 1
    return M.answered(server) > first + asked + 16
  end, { what = 'calls on the provider' })
end

-- Ends the load and returns what the consumer printed.
function M.finish(load)
  os.remove(load.run)
  local exit = load.consumer:wait()
  assert(exit.code == 0, load.consumer.output)
  return load.consumer.output
end

return M
