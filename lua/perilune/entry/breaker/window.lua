-- SPDX-License-Identifier: MIT
-- A circuit breaker over a sliding window. Closed: calls pass and are counted. When, of at least `min_calls`
-- in the window, a share of `error_ratio` failed or `slow_ratio` were slow, or `successive` failed in a
-- row, it opens: no call passes for `open` ms. Then, half open, at most `probes` at once may try; so many
-- successes close it, one failure opens it again.
--
-- All it knows of a circuit is in the table the filter keeps for it, numbers and words only, so that a
-- reload hands it over. `outcome` is 'ok', 'slow', 'failed', 'failed_slow' or 'none' (says nothing).
local policy = require('perilune').policy

local COUNTS = { 'slots', 'from', 'parts', 'width', 'calls', 'failed', 'slow' }
local OTHERS = 8 -- windows of a circuit

local function empty(state)
  state.slots, state.from, state.parts, state.width = {}, nil, nil, nil
  state.calls, state.failed, state.slow = 0, 0, 0
end

local function reset(state)
  empty(state)
  state.row, state.others, state.kept = 0, nil, nil
end

-- What was counted in another window of the same circuit waits for who counts in it: two refers of a service
-- may look at it differently.
local function change_window(state, parts, width)
  local others, before = state.others or {}, {}
  for _, name in ipairs(COUNTS) do
    before[name] = state[name]
  end
  local mine = others[parts .. ' ' .. width]
  if state.parts then
    if not others[state.parts .. ' ' .. state.width] then
      state.kept = (state.kept or 0) + 1
    end
    others[state.parts .. ' ' .. state.width] = before
  end
  empty(state)
  for name, value in pairs(mine or {}) do
    state[name] = value
  end
  state.parts, state.width = parts, width
  state.others = (state.kept or 0) <= OTHERS and others or nil
  state.kept = state.others and state.kept
end

local function turn(state, to, now)
  state.state, state.since, state.turns = to, now, (state.turns or 0) + 1
  state.probing, state.passed = 0, 0
end

-- Moves the window to `now`: a ring of `slots` parts of the window.
local function slide(conf, state, now)
  local width = conf.window / conf.slots
  if state.parts ~= conf.slots or state.width ~= width then
    change_window(state, conf.slots, width)
  end
  local slot = math.floor(now / width)
  local gone = math.min(slot - (state.from or slot), conf.slots)
  for i = 1, gone do
    local at = (slot - gone + i) % conf.slots + 1
    local old = state.slots[at]
    if old then
      state.calls = state.calls - old[1]
      state.failed = state.failed - old[2]
      state.slow = state.slow - old[3]
      state.slots[at] = nil
    end
  end
  state.from = slot
  local at = slot % conf.slots + 1
  local current = state.slots[at] or { 0, 0, 0 }
  state.slots[at] = current
  return current
end

local function count(conf, state, now, failed, slow)
  local current = slide(conf, state, now)
  state.calls, current[1] = state.calls + 1, current[1] + 1
  if failed then
    state.failed, current[2] = state.failed + 1, current[2] + 1
  end
  if slow then
    state.slow, current[3] = state.slow + 1, current[3] + 1
  end
  state.row = failed and state.row + 1 or 0
end

local function tripped(conf, state)
  if conf.successive > 0 and state.row >= conf.successive then
    return true
  end
  local calls = state.calls
  return calls >= conf.min_calls
    and (state.failed >= conf.error_ratio * calls or state.slow >= conf.slow_ratio * calls)
end

local function open(conf, state, now)
  turn(state, 'open', now)
  -- Not all who call one service come back together.
  state.till = now + conf.open * (1 + conf.jitter * policy.random())
end

local function allow(conf, state, now)
  if not state.state then
    reset(state)
    turn(state, 'closed', now)
  end
  if state.state == 'closed' then
    return true
  elseif state.state == 'open' then
    if now < state.till then
      return nil, state.till - now
    end
    turn(state, 'half_open', now)
  end
  -- A probe that never told how it ended does not keep the others out for ever.
  if state.probing >= conf.probes and now - state.since > conf.open + conf.window then
    turn(state, 'half_open', now)
  end
  if state.probing >= conf.probes then
    return nil, conf.open
  end
  state.probing = state.probing + 1
  return true
end

-- What began before the circuit turned says nothing about it now.
local function done(conf, state, now, outcome, turns)
  if turns ~= state.turns then
    return
  end
  local failed = outcome == 'failed' or outcome == 'failed_slow'
  local slow = outcome == 'slow' or outcome == 'failed_slow'
  if state.state == 'closed' then
    if outcome ~= 'none' then
      count(conf, state, now, failed, slow)
      if (failed or slow) and tripped(conf, state) then
        open(conf, state, now)
      end
    end
  elseif state.state == 'half_open' then
    state.probing = math.max(0, state.probing - 1)
    if failed or (slow and conf.slow_ratio <= 1) then
      open(conf, state, now)
    elseif outcome ~= 'none' then
      state.passed = state.passed + 1
      if state.passed >= conf.probes then
        reset(state)
        turn(state, 'closed', now)
      end
    end
  end
end

return {
  name = 'window',
  schema = {
    window = { type = 'number', min = 10, default = 10000, help = 'ms that are looked at' },
    slots = { type = 'integer', min = 1, max = 100, default = 10, help = 'parts it slides by' },
    min_calls = { type = 'integer', min = 1, default = 20, help = 'fewer decide nothing' },
    error_ratio = { type = 'number', min = 0.01, max = 1.01, default = 0.5, help = '1.01: never' },
    slow_ratio = { type = 'number', min = 0.01, max = 1.01, default = 1.01, help = '1.01: never' },
    successive = { type = 'integer', min = 0, default = 0, help = 'failures in a row; 0: never' },
    open = { type = 'number', min = 1, default = 5000, help = 'ms' },
    probes = { type = 'integer', min = 1, default = 3, help = 'calls that try, half open' },
    jitter = { type = 'number', min = 0, max = 1, default = 0.1, help = 'share added to open' },
  },
  new = function(conf)
    return {
      allow = function(state, now)
        return allow(conf, state, now)
      end,
      done = function(state, now, outcome, turns)
        return done(conf, state, now, outcome, turns)
      end,
    }
  end,
}
