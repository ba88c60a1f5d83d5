-- SPDX-License-Identifier: MIT
-- Workers that outnumber the cores take turns; with executors, or cores enough, each goes first.
local app = require 'spec.support.app'
local ffi = require 'ffi'
local lfs = require 'lfs'
local lib = require('spec.support.c').lib

local OTHER, BATCH = 0, 3 -- policies of sched(7)

ffi.cdef 'unsigned uv_available_parallelism(void);'
local cores = lib.uv_available_parallelism()

-- Thread name -> its policy, field 41 of proc_pid_stat(5), counted behind the name.
local function policies(process)
  local tasks, found = ('/proc/%d/task'):format(process.pid), {}
  for tid in lfs.dir(tasks) do
    if tid:find '^%d+$' then
      for line in io.lines(('%s/%s/stat'):format(tasks, tid)) do
        local name, rest = line:match '%((.-)%) (.*)$'
        local policy = rest:match('^' .. ('%S+ '):rep(41 - 3) .. '(%d+)')
        found[name] = tonumber(policy)
      end
    end
  end
  return found
end

local function serve(workers, executor)
  local script = ([[perilune.export { interface = 'a.B', executor = %q, service = { c = function() end } }
    perilune.listen 'tcp://127.0.0.1:0']]):format(executor)
  return app.serve(script, { args = { '--workers', tostring(workers) } })
end

describe('process/schedule', function()
  after_each(app.stop_all)

  it('lets workers that outnumber the cores take turns', function()
    local found = policies(serve(cores + 1, 'inline'))
    for i = 1, cores + 1 do
      assert.equal(BATCH, found['peri-' .. i])
    end
    assert.equal(OTHER, found['peri-control'])
  end)

  it('leaves workers with a core each alone', function()
    assert.equal(OTHER, policies(serve(cores, 'inline'))['peri-' .. cores])
  end)

  it('leaves workers beside executors alone', function()
    assert.equal(OTHER, policies(serve(cores + 1, 'pool'))['peri-1'])
  end)
end)
