-- SPDX-License-Identifier: MIT
-- Futures in Lua: the result of something that runs in a fiber of its own. Completed exactly once;
-- awaited by any number of fibers; cancelling reaches the fiber that works for it.
local core = require 'perilune.core'
local errors = require 'perilune.error'

local M = {}

---@class perilune.Future
---@field package fiber integer?
---@field package done boolean
---@field package waiters integer[]?
local Future = {}
Future.__index = Future
M.Future = Future

local pending = 0
-- Futures that are not done, for leak checks.
---@return integer
function M.pending()
  return pending
end

local function new()
  pending = pending + 1
  return setmetatable({ done = false }, Future)
end

local function complete(future, result, err)
  if future.done then
    return false
  end
  pending = pending - 1
  future.done, future.result, future.err, future.fiber = true, result, err, nil
  local waiters = future.waiters
  future.waiters = nil
  for _, fiber in ipairs(waiters or {}) do
    core.wake(fiber, true)
  end
  for _, fn in ipairs(future.callbacks or {}) do
    core.spawn(fn, result, err)
  end
  future.callbacks = nil
  return true
end

local function thrown(message)
  if errors.is(message) then
    return message
  end
  core.log('error', 'SCRIPT-ERROR', debug.traceback(tostring(message), 2))
  return errors.new('INTERNAL', tostring(message))
end

local function too_many()
  local text = 'too many coroutines in this worker (limit coroutines)'
  return errors.new('OVERLOADED', text)
end

-- Runs `fn()` in a fiber; its result (or nil, err; or what it throws) completes the future.
---@param fn fun(): any, any
---@return perilune.Future
function M.run(fn)
  local future = new()
  future.fiber = core.spawn(function()
    local ok, result, err = xpcall(fn, thrown)
    if ok then
      complete(future, result, err)
    else
      complete(future, nil, result)
    end
  end)
  if not future.fiber then
    complete(future, nil, too_many())
  end
  return future
end

-- A future that somebody completes by hand: future, complete(result, err).
---@return perilune.Future
---@return fun(result: any, err: any): boolean
function M.manual()
  local future = new()
  return future, function(result, err)
    return complete(future, result, err)
  end
end

local function forget(waiters, fiber)
  for i, waiter in ipairs(waiters or {}) do
    if waiter == fiber then
      table.remove(waiters, i)
      return
    end
  end
end

-- Waits for the result.
---@async
---@param timeout? number ms
---@return any result
---@return perilune.Error? err
function Future:await(timeout)
  if timeout and (type(timeout) ~= 'number' or timeout ~= timeout) then
    error(('future:await: ms are a number, got %s'):format(tostring(timeout)), 2)
  end
  local till = timeout and core.clock() + timeout
  while not self.done do
    local fiber = core.fiber()
    self.waiters = self.waiters or {}
    table.insert(self.waiters, fiber)
    local woken, why = core.park(till and math.max(0, till - core.clock()))
    if not woken and not self.done then
      -- Who stays on the list is woken later in the middle of waiting for something else.
      forget(self.waiters, fiber)
      return nil, errors.new(why, why == 'TIMEOUT' and 'the future was not done in time' or nil)
    end
  end
  return self.result, self.err
end

-- Is it done?
---@return boolean
function Future:ready()
  return self.done
end

-- A future of what `fn(result, err)` returns when this one is done. Runs in a fiber of its own, with
-- the deadline and trace of the caller.
---@param fn fun(result: any, err: any): any, any
---@return perilune.Future
function Future:and_then(fn)
  return M.run(function()
    return fn(self:await())
  end)
end

-- Ends the work; the future fails as CANCELLED unless it was done already.
---@return boolean
function Future:cancel()
  if self.done then
    return false
  end
  local fiber = self.fiber
  complete(self, nil, errors.new('CANCELLED', 'the future was cancelled'))
  if fiber then
    core.cancel(fiber)
  end
  return true
end

local function check(list, name)
  if type(list) ~= 'table' then
    error(('perilune.%s: a list of futures is wanted'):format(name), 3)
  end
  for i, future in ipairs(list) do
    if getmetatable(future) ~= Future then
      error(('perilune.%s: element %d is no future'):format(name, i), 3)
    end
  end
end

local function cancel_all(list)
  for _, future in ipairs(list) do
    future:cancel()
  end
end

-- Calls `fn(result, err)` once the future is done.
local function watch(future, fn)
  local fiber = core.spawn(function()
    fn(future:await())
  end)
  if not fiber then
    fn(nil, too_many())
  end
end

-- Done when all are: a list of results in order; fails with the first error and cancels the rest.
---@param list perilune.Future[]
---@return perilune.Future
function M.all(list)
  check(list, 'all')
  return M.run(function()
    local results = {}
    local first, settle = M.manual()
    local left = #list
    if left == 0 then
      first:cancel()
      return results
    end
    for i, future in ipairs(list) do
      watch(future, function(result, err)
        left = left - 1
        results[i] = result
        if err ~= nil or left == 0 then
          settle(true, err)
        end
      end)
    end
    local _, err = first:await()
    if err ~= nil then
      first:cancel()
      cancel_all(list)
      return nil, err
    end
    return results
  end)
end

-- Done with the first success (the others are cancelled); fails when all failed, with the last error.
---@param list perilune.Future[]
---@return perilune.Future
function M.any(list)
  check(list, 'any')
  return M.run(function()
    local first, settle = M.manual()
    local left, last = #list, nil
    if left == 0 then
      first:cancel()
      return nil, errors.new('BAD_REQUEST', 'perilune.any of nothing')
    end
    for _, future in ipairs(list) do
      watch(future, function(result, err)
        left = left - 1
        last = err
        if err == nil then
          settle(result)
        elseif left == 0 then
          settle(nil, last)
        end
      end)
    end
    local result, err = first:await()
    first:cancel()
    cancel_all(list)
    return result, err
  end)
end

-- Done with whatever is first, result or error; the others are cancelled.
---@param list perilune.Future[]
---@return perilune.Future
function M.race(list)
  check(list, 'race')
  return M.run(function()
    local first, settle = M.manual()
    if #list == 0 then
      first:cancel()
      return nil, errors.new('BAD_REQUEST', 'perilune.race of nothing')
    end
    for _, future in ipairs(list) do
      watch(future, settle)
    end
    local result, err = first:await()
    first:cancel()
    cancel_all(list)
    return result, err
  end)
end

return M
