-- SPDX-License-Identifier: MIT
-- Busted inside the runtime. The suite runs in one fiber and each `it` in a fiber of its own, so that
-- a spec may wait, and one that waits too long is cancelled and fails with the place it was parked at.
-- After each spec nothing of it may be left: no pending future, no parked fiber.
local core = require 'perilune.core'
local declare = require 'perilune.entry.declare'
local testing = require 'perilune.testing'

local M = { summary = 'Run specs inside the runtime: they may wait, call and serve.' }

local UNWIND_MS = 1000 -- for a cancelled spec to end
local SETTLE_MS = 200 -- for what a spec ended to be gone

function M.describe(parser)
  parser:argument('paths', 'Spec files or folders (default: spec).'):args '*'
  parser
    :option('--limit', 'Longest time one spec may take, in ms.', '10000')
    :argname '<ms>'
    :convert(tonumber)
  parser:option('--pattern', 'Only files whose names match.', '_spec%.lua$'):argname '<pattern>'
  parser
    :option('--filter', 'Only specs whose names match; may be given again.')
    :argname '<pattern>'
    :count '*'
  parser
    :option('-o --output', 'Output of busted: plainTerminal, utfTerminal, TAP, json, junit.')
    :argname '<name>'
  parser:flag('--shuffle', 'Run files and specs in random order.')
  parser:option('--seed', 'Seed of the random order.'):argname '<n>':convert(tonumber)
end

local function parked_at(fiber)
  for _, record in ipairs(core.fibers()) do
    if record.id == fiber then
      return ('in %s for %.0f ms\n%s'):format(record.wait, record.since, record.traceback)
    end
  end
  return 'not parked; it was running'
end

-- Runs `body()` in a fiber of its own for at most `limit` ms. Returns its results; on_late(place) is
-- called when the limit passed, before the fiber is cancelled.
local function bounded(limit, body, on_late)
  local me, results = core.fiber(), nil
  local fiber = core.spawn(function()
    results = { n = 0, body() }
    core.wake(me, true)
  end, nil, nil, true)
  if not results then
    core.park(limit)
  end
  if not results then
    on_late(parked_at(fiber))
    core.cancel(fiber)
    core.park(UNWIND_MS)
  end
  return results
end

local function limit_specs(busted, limit)
  local safe, rewrite = busted.safe, busted.rewriteMessage
  local late
  function busted.rewriteMessage(element, message, trace)
    return late or rewrite(element, message, trace)
  end
  function busted.safe(descriptor, run, element)
    if descriptor ~= 'it' then
      return safe(descriptor, run, element)
    end
    local results = bounded(limit, function()
      return safe(descriptor, function(...)
        run(...)
        if late then
          busted.fail(late)
        end
      end, element)
    end, function(place)
      late = ('took longer than %d ms; parked %s'):format(limit, place)
    end)
    if not results then
      busted.publish(
        { 'error', 'it' },
        element,
        busted.context.parent(element),
        late,
        { traceback = '' }
      )
      results = { busted.status 'error' }
    end
    late = nil
    return unpack(results)
  end
end

local function describe_leaks(before, after)
  local parts = {}
  if after.futures > before.futures then
    parts[1] = ('%d pending futures'):format(after.futures - before.futures)
  end
  for _, traceback in pairs(after.fibers) do
    parts[#parts + 1] = 'a parked fiber\n' .. traceback
  end
  return #parts > 0 and 'left behind: ' .. table.concat(parts, '; ') or nil
end

-- Closes what a spec referred to, and gives what it ended a moment to go.
local function settle(before, refers)
  local declared = declare.declarations().refers
  for i = #declared, refers + 1, -1 do
    require('perilune.entry.referer').close(table.remove(declared, i))
  end
  local till = core.clock() + SETTLE_MS
  local leaks
  repeat
    leaks = describe_leaks(before, testing.pending(before.fibers))
    if leaks then
      core.sleep(2)
    end
  until not leaks or core.clock() >= till
  return leaks
end

-- Looks for leaks after the last after_each, which may close what a spec opened; busted's end of a test
-- is held back until then, so that a leak is this test's failure.
local function check_leaks(busted)
  local register, safe_publish = busted.register, busted.safe_publish
  local held
  function busted.safe_publish(descriptor, channel, ...)
    if held and channel[1] == 'test' and channel[2] == 'end' then
      held.finish = { descriptor, channel, ... }
      return true
    end
    return safe_publish(descriptor, channel, ...)
  end
  local function finish(element, leaks)
    local parent, status = busted.context.parent(element), held.finish[5]
    held, status = nil, leaks and status == 'success' and 'failure' or status
    if leaks then
      busted.publish(
        { 'failure', 'it' },
        element,
        parent,
        leaks,
        { traceback = '', short_src = '' }
      )
    end
    safe_publish('test', { 'test', 'end' }, element, parent, status)
  end
  function busted.register(descriptor, executor, attributes)
    if descriptor ~= 'it' or type(executor) ~= 'function' then
      return register(descriptor, executor, attributes)
    end
    return register(descriptor, function(element)
      local before, refers = testing.pending(), #declare.declarations().refers
      held = {}
      executor(element)
      local leaks = settle(before, refers)
      if held.finish then
        finish(element, leaks)
      end
      held = nil
    end, attributes)
  end
end

local function count_failures(busted)
  local counts = { failures = 0, errors = 0 }
  busted.subscribe({ 'error' }, function()
    counts.errors = counts.errors + 1
    return nil, true
  end)
  busted.subscribe({ 'failure' }, function()
    counts.failures = counts.failures + 1
    return nil, true
  end)
  return counts
end

local function run_suite(busted, args, counts)
  require('busted.modules.output_handler_loader')()(busted, args.output or 'plainTerminal', {
    defaultOutput = 'plainTerminal',
    language = 'en',
    arguments = {},
  })
  require 'busted.luajit'()
  require('busted.modules.filter_loader')()(busted, {
    tags = {},
    excludeTags = {},
    filter = args.filter,
    filterOut = {},
    nokeepgoing = false,
  })
  local load_files = require 'busted.modules.test_file_loader'(busted, { 'lua' })
  load_files(args.paths, { args.pattern }, { excludes = {}, recursive = true })
  busted.randomize = args.shuffle
  busted.randomseed = args.seed or core.random(2 ^ 30)
  require 'busted.execute'(busted)(1, { seed = args.seed, shuffle = args.shuffle })
  busted.publish { 'exit' }
  return counts.failures + counts.errors
end

-- Busted takes the usual output in place of one that it does not find, and fails without a word.
local function is_output(name)
  local path = package.path
  return name:match '%.lua$'
    or package.searchpath('busted.outputHandlers.' .. name, path)
    or package.searchpath(name, path)
end

---@async
function M.run(args)
  if not (args.limit and args.limit >= 1 and args.limit < math.huge) then
    return 2, '--limit must be a number of milliseconds, at least 1'
  end
  args.paths = #args.paths > 0 and args.paths or { 'spec' }
  for _, path in ipairs(args.paths) do
    local file, message = io.open(path)
    if not file then
      return 1, 'cannot open ' .. message
    end
    file:close()
  end
  local found, core_of_busted = pcall(require, 'busted.core')
  if not found then
    return 1, 'busted is not installed; apt install lua-busted, or luarocks install busted'
  end
  require 'perilune' -- before busted insulates what spec files load
  require('perilune.path').add_script '.'
  package.path = './?.lua;./?/init.lua;./lua/?.lua;./lua/?/init.lua;' .. package.path
  if args.output and not is_output(args.output) then
    local known = 'plainTerminal, utfTerminal, TAP, json, junit'
    return 2, ("--output '%s' unknown; known: %s"):format(args.output, known)
  end
  local busted = core_of_busted()
  check_leaks(busted)
  limit_specs(busted, args.limit)
  require 'busted'(busted)
  local failed = run_suite(busted, args, count_failures(busted))
  return failed == 0 and 0 or 1
end

return M
