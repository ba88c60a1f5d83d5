-- SPDX-License-Identifier: MIT
-- Finalizers of scripts run in a fiber at the next turn. The collector calls them wherever it takes
-- a step: in the middle of a message that C reads, or on the stack of a fiber that waits, which LuaJIT
-- takes for a running one from the first error on that is thrown there, caught or not.
local core = require 'perilune.core'
local ffi = require 'ffi'

local gc, metatype, proxy = ffi.gc, ffi.metatype, newproxy
local resume, create = coroutine.resume, coroutine.create

local queue = {} -- finalizer, object, finalizer, object...
local spawned, closed = false, false

local function run()
  local due = queue
  queue, spawned = {}, false
  for i = 1, #due, 2 do
    local ok, message = xpcall(due[i], debug.traceback, due[i + 1])
    if not ok then
      core.log('error', 'SCRIPT-ERROR', 'a finalizer: ' .. tostring(message))
    end
  end
end

-- One for each function as long as some object has it: what is compiled makes no closures.
local deferred = setmetatable({}, { __mode = 'kv' })

local function defer(fn)
  if type(fn) ~= 'function' then
    return fn
  end
  local held = deferred[fn] -- the table does not hold it
    or function(object)
      local n = #queue
      queue[n + 1], queue[n + 2] = fn, object
      spawned = spawned or core.spawn(run, nil, nil, true) ~= nil
      if closed or not spawned then
        resume(create(run))
      end
    end
  deferred[fn] = held
  return held
end

---@diagnostic disable: duplicate-set-field
function ffi.gc(object, finalizer)
  return gc(object, defer(finalizer))
end

function ffi.metatype(ctype, metatable)
  if type(metatable) == 'table' then
    metatable.__gc = defer(metatable.__gc)
  end
  return metatype(ctype, metatable)
end

local watched = {
  __newindex = function(metatable, key, value)
    rawset(metatable, key, key == '__gc' and defer(value) or value)
  end,
}

function _G.newproxy(from)
  local object = proxy(from)
  if from == true then
    setmetatable(getmetatable(object), watched)
  end
  return object
end

-- When the VM is closed no turn comes any more: what waits for one ends here, what comes later at
-- once.
local last = proxy(true)
getmetatable(last).__gc = function()
  closed = true
  resume(create(run))
end

return last
