-- SPDX-License-Identifier: MIT
-- Clusters for specs of policies, over the fake core:
--
--   local t = require('spec.support.cluster').install()
--   t.serve('a:1', { handler = ... })            a server; answers its address when no handler is given
--   local cluster = t.open { url = t.urls 'a:1 b:1', router = 'forking' }    connected
--   local result, err = t.call(cluster, { method = 'hello', args = { n = 0 } })
local fake = require 'spec.support.fake_core'

local M = {}

-- Names are new in each file: who shares one shares its retry budget, spent or not.
local serial, file = 0, nil

function M.install()
  local core = fake.install()
  local clusters = require 'perilune.cluster.cluster'
  file = file or ('%.0f'):format(require('perilune.ffi').peri_counters_now() * 1000)
  local t = { core = core, plugin = require 'perilune.plugin' }

  function t.serve(address, fields)
    local server = {
      handler = function()
        return true, address
      end,
    }
    for key, value in pairs(fields or {}) do
      server[key] = value
    end
    core.servers[address] = server
    return server
  end

  -- 'joyrpc://a:1', ... of 'a:1?tag=x b:1'
  function t.urls(text)
    local list = {}
    for address in text:gmatch '%S+' do
      list[#list + 1] = 'joyrpc://' .. address
    end
    return list
  end

  function t.failing(code, outcome)
    return function()
      return false, code, code .. ' of a spec', outcome
    end
  end

  -- A cluster that has just begun to connect.
  function t.begin(refer)
    serial = serial + 1
    refer.interface = refer.interface or ('demo.Policy%d_%s'):format(serial, file)
    return assert(clusters.open(refer))
  end

  -- A cluster whose nodes had time to get ready.
  function t.open(refer)
    local cluster = t.begin(refer)
    core.pass(50)
    return cluster
  end

  -- What is wrong with a declaration.
  function t.wrong(refer)
    refer.interface, refer.url = 'demo.Wrong', refer.url or 'joyrpc://a:1'
    return clusters.check(refer)
  end

  function t.call_of(fields)
    local call = { method = 'hello', args = { n = 0 }, attachments = {}, timeout = 1000 }
    for key, value in pairs(fields or {}) do
      call[key] = value
    end
    return call
  end

  function t.call(cluster, fields, ms)
    local call = t.call_of(fields)
    local ctx = fake.ctx(core, ms)
    ctx.state = {}
    return core.run(function()
      local result, err = cluster:dispatch(ctx, call)
      return { result = result, err = err, ctx = ctx }
    end)
  end

  -- How often each server was called.
  function t.calls()
    local count = {}
    for address, server in pairs(core.servers) do
      count[address] = server.calls or 0
    end
    return count
  end
  return t
end

return M
