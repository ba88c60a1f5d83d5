-- SPDX-License-Identifier: MIT
-- Load from this process: `-c` connections with `-d` calls in flight each. Without --rate a closed
-- loop: each answer sends the next call. With --rate an open loop: calls are due at fixed times (on
-- the millisecond, the resolution of the loop's timers), and latency counts from the time a call was
-- due, so that a server that stalls cannot hide it by slowing its client down.
local core = require 'perilune.core'
local histogram = require 'perilune.cli.histogram'
local target = require 'perilune.cli.target'
local terminal = require 'perilune.cli.terminal'

local M = { summary = 'Measure a method under load.' }

function M.describe(parser)
  target.describe(parser)
  parser:option('-c --connections', 'Connections.', '1'):argname '<n>':convert(tonumber)
  parser
    :option('-d --depth', 'Calls in flight on each connection.', '1')
    :argname '<n>'
    :convert(tonumber)
  parser:option('-t --time', 'How long, in seconds.', '5'):argname '<seconds>':convert(tonumber)
  parser:option('--rate', 'Calls a second in total (open loop).'):argname '<n>':convert(tonumber)
  parser:flag('--json', 'One JSON object.')
end

local function check(args)
  local rules = { { 'connections', 1, 10000 }, { 'depth', 1, 10000 }, { 'time', 0.01, 86400 } }
  if args.rate ~= nil then
    rules[#rules + 1] = { 'rate', 0.01, 10000000 }
  end
  for _, rule in ipairs(rules) do
    local name, low, high = rule[1], rule[2], rule[3]
    local value = args[name]
    if type(value) ~= 'number' or not (value >= low and value <= high) then
      return ('--%s must be a number from %s to %s'):format(name, low, high)
    end
  end
end

local function open_connections(to, args, run)
  for i = 1, args.connections do
    local conn, code, message = core.connect(to.url, {
      timeout = args.timeout,
      on_close = function()
        run.closed = run.closed + 1
      end,
    })
    if not conn then
      return nil, ('%s: %s: %s'):format(to.url, code, message)
    end
    local session
    session, code, message = core.session(conn, {
      interface = to.interface,
      alias = args.alias or '',
      serialization = args.serialization,
      timeout = args.timeout,
    })
    if not session then
      return nil, ('%s: %s: %s'):format(to.url, code, message)
    end
    run.links[i] = { conn = conn, session = session.id }
  end
  return true
end

local function count_error(run, code)
  run.errors[code] = (run.errors[code] or 0) + 1
  run.failed = run.failed + 1
end

local function one_call(run, link, due)
  local ok, code = core.request(link.conn, link.session, run.method, run.args, run.timeout)
  if ok then
    run.latency:add(core.hrtime() - due)
  else
    count_error(run, code)
    if code == 'CLOSED' or code == 'UNAVAILABLE' then
      core.sleep(1) -- a dead connection fails at once; do not spin on it
    end
  end
end

-- What each call in flight is: a fiber that sends, waits, sends again.
local function closed_fiber(run, link)
  while core.hrtime() < run.till do
    one_call(run, link, core.hrtime())
  end
  run.live = run.live - 1
end

-- In an open loop fibers take what is due from a queue and park when there is nothing.
local function open_fiber(run, link)
  local me = core.fiber()
  while not run.over do
    local due = run.queue[run.head]
    if due then
      run.queue[run.head] = nil
      run.head = run.head + 1
      one_call(run, link, due)
    else
      run.idle[#run.idle + 1] = me
      core.park()
    end
  end
  run.live = run.live - 1
end

local function feed(run, rate)
  local sent = 0
  while core.hrtime() < run.till do
    local passed = core.hrtime() - run.began
    local due_by_now = math.floor(passed * rate / 1000)
    for i = sent, due_by_now - 1 do
      run.tail = run.tail + 1
      run.queue[run.tail] = run.began + math.ceil((i + 1) * 1000 / rate)
      local fiber = table.remove(run.idle)
      if fiber then
        core.wake(fiber, true)
      end
    end
    sent = math.max(sent, due_by_now)
    core.sleep(1)
  end
  run.unsent = run.tail - run.head + 1
  run.head = run.tail + 1
  run.queue = {}
  run.over = true
  for _, fiber in ipairs(run.idle) do
    core.wake(fiber, true)
  end
end

local function show_progress(run, seconds)
  while run.live > 0 and core.hrtime() < run.till do
    core.sleep(250)
    local passed = math.min((core.hrtime() - run.began) / 1000, seconds)
    io.stderr:write(
      ('\r%s %5.1f of %g s  %d calls  %d failed '):format(
        terminal.color('dim', 'bench', 2),
        passed,
        seconds,
        run.latency.count,
        run.failed
      )
    )
    io.stderr:flush()
  end
  io.stderr:write '\r\27[K'
end

local function drive(run, args)
  run.live = #run.links * args.depth
  run.began = core.hrtime()
  run.till = run.began + args.time * 1000
  local body = args.rate and open_fiber or closed_fiber
  for _, link in ipairs(run.links) do
    for _ = 1, args.depth do
      core.spawn(body, run, link)
    end
  end
  if args.rate then
    core.spawn(feed, run, args.rate)
  end
  if terminal.is_terminal(2) and not args.json then
    core.spawn(show_progress, run, args.time)
  end
  while run.live > 0 and core.hrtime() < run.till + args.timeout + 1000 do
    core.sleep(5)
  end
  run.seconds = (math.min(core.hrtime(), run.till + args.timeout) - run.began) / 1000
end

local function result_of(run)
  local latency = run.latency
  local rows = {}
  for _, percent in ipairs { 50, 75, 90, 99, 99.9, 99.99 } do
    rows[#rows + 1] = { percent, latency:percentile(percent) }
  end
  return {
    calls = latency.count,
    failed = run.failed,
    errors = run.errors,
    unsent = run.unsent,
    seconds = run.seconds,
    rate = latency.count / run.seconds,
    percentiles = rows,
    mean = latency:mean(),
    max = latency.max,
  }
end

local function show(result, args)
  local rows = { { 'latency', 'ms' } }
  for _, row in ipairs(result.percentiles) do
    rows[#rows + 1] = { 'p' .. row[1], ('%.3f'):format(row[2]) }
  end
  rows[#rows + 1] = { 'max', ('%.3f'):format(result.max) }
  rows[#rows + 1] = { 'mean', ('%.3f'):format(result.mean) }
  print(
    ('%d calls in %.1f s: %.0f/s, %d failed%s'):format(
      result.calls,
      result.seconds,
      result.rate,
      result.failed,
      result.unsent > 0 and (', %d not sent in time'):format(result.unsent) or ''
    )
  )
  print(
    ('%d connections x %d in flight%s'):format(
      args.connections,
      args.depth,
      args.rate and (', %g/s asked for; latency from the time a call was due'):format(args.rate)
        or ''
    )
  )
  print()
  print(terminal.columns(rows))
  for code, count in pairs(result.errors) do
    print(('%s: %d'):format(code, count))
  end
end

local function show_json(result)
  local latency = { mean = result.mean, max = result.max }
  for _, row in ipairs(result.percentiles) do
    latency['p' .. tostring(row[1]):gsub('%.', '')] = row[2]
  end
  print(core.encode {
    calls = result.calls,
    failed = result.failed,
    errors = next(result.errors) and result.errors or nil,
    unsent = result.unsent,
    seconds = result.seconds,
    rate = result.rate,
    latency_ms = latency,
  })
end

---@async
function M.run(args)
  local wrong = check(args)
  local to, message = target.read(args)
  if wrong or not to then
    return 2, wrong or message
  end
  local run = {
    links = {},
    errors = {},
    failed = 0,
    closed = 0,
    unsent = 0,
    queue = {},
    head = 1,
    tail = 0,
    idle = {},
    method = to.method,
    args = to.args,
    timeout = args.timeout,
    latency = histogram.new(),
  }
  local ok
  ok, message = open_connections(to, args, run)
  if not ok then
    return 1, message
  end
  drive(run, args)
  for _, link in ipairs(run.links) do
    core.disconnect(link.conn)
  end
  local result = result_of(run)
  if args.json then
    show_json(result)
  else
    show(result, args)
  end
  if result.calls == 0 then
    local code = next(result.errors)
    return 1, 'no call succeeded' .. (code and ': ' .. code or '')
  end
  return 0
end

return M
