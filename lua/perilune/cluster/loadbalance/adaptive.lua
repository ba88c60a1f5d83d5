-- SPDX-License-Identifier: MIT
-- Compares every node with the median of all, once a period, and lets those that do worse have less:
--
--   good      all of its weight
--   fair      two thirds of it
--   poor      one call for every `weight` of a good one, and then a weak time
--   disabled  nothing while others have something, and then a weak time
--
-- After a weak time has begun the weight grows from nothing to all of it in `weak` ms. Judged are
-- latency and availability (30), calls in flight (20), calls begun (20) and where the node is (55);
-- the figures are their shares in the sum. The thresholds are those of JoyRPC's balancer of this name;
-- latency is the node's decayed peak instead of a 90th percentile.
local policy = require 'perilune.policy'

local GOOD, FAIR, POOR, DISABLED = 85, 60, 1, 0
local SHARE = { state = 55, place = 55, tp = 30, concurrency = 20, qps = 20 }

local function median(values)
  table.sort(values)
  local middle = math.ceil(#values / 2)
  return values[middle] or 0
end

-- What `value`, of which less is better, is worth; `disable` may be nil.
local function score(value, fair, poor, disable)
  if value < fair then
    return GOOD
  elseif value < poor or value == fair then
    return FAIR
  end
  return disable and value >= disable and DISABLED or POOR
end

local function judge_latency(latency, usual)
  if latency == 0 or usual == 0 then
    return FAIR
  elseif usual <= 4 then
    return score(latency, 4, 8, 12)
  elseif usual <= 8 then
    return score(latency, 8, 12, 16)
  end
  return score(latency, 1.2 * usual, 1.5 * usual, 2 * usual)
end

local function judge_load(value, usual, otherwise)
  local fair = usual > 0 and usual or otherwise
  return score(value, fair, 2 * fair)
end

-- Failures in percent of the calls; JoyRPC says the same of what did not fail.
local function judge_failures(share, usual)
  return score(share, usual + 0.1, usual + 1, usual + 5)
end

-- What happened to a node since it was last looked at, `period` ms ago or longer.
local function measure(seen, node, now, period)
  local last = seen[node]
  if last and now - last.at < period then
    return last
  end
  local calls, errors = node.calls, node.errors
  local row = { at = now, calls = calls, errors = errors, weak = last and last.weak }
  row.qps = last and calls - last.calls or 0
  local failed = last and errors - last.errors or 0
  row.failures = row.qps > 0 and 100 * math.min(1, failed / row.qps) or 0
  row.concurrency, row.latency = node.total, node.latency
  seen[node] = row
  return row
end

local function usual_of(measured)
  local usual = {}
  for _, name in ipairs { 'concurrency', 'qps', 'latency', 'failures' } do
    local values = {}
    for i, row in ipairs(measured) do
      values[i] = row[name]
    end
    usual[name] = median(values)
  end
  return usual
end

-- A position, by the sums of the shares up to each.
local function draw(sums)
  local low, high = 1, #sums
  local at = policy.random() * sums[high]
  while low < high do
    local middle = math.floor((low + high) / 2)
    if sums[middle] > at then
      high = middle
    else
      low = middle + 1
    end
  end
  return low
end

return {
  name = 'adaptive',
  schema = {
    period = { type = 'number', min = 100, default = 1000, help = 'ms between two judgements' },
    weak = {
      type = 'number',
      min = 0,
      default = 10000,
      help = 'ms until a bad node has its weight',
    },
    region = { type = 'string', help = 'nodes elsewhere are poor' },
    zone = { type = 'string', help = 'nodes of the region but not of the zone are fair' },
  },
  new = function(conf)
    local seen = setmetatable({}, { __mode = 'k' })

    local function judge_place(meta)
      if not conf.region then
        return GOOD
      elseif meta.region and meta.region ~= conf.region then
        return POOR
      end
      return meta.region and (not conf.zone or meta.zone == conf.zone) and GOOD or FAIR
    end

    local function judge(node, row, usual)
      local tp = FAIR -- without a call nobody knows
      if row.qps > 0 then
        tp = judge_latency(row.latency, usual.latency)
        tp = math.min(tp, judge_failures(row.failures, usual.failures))
      end
      if tp == DISABLED then
        return DISABLED
      end
      local sum = GOOD * SHARE.state -- who is not connected is not in the list
        + judge_place(node.meta) * SHARE.place
        + tp * SHARE.tp
        + judge_load(row.concurrency, usual.concurrency, 100) * SHARE.concurrency
        + judge_load(row.qps, usual.qps, 1000) * SHARE.qps
      local all = SHARE.state + SHARE.place + SHARE.tp + SHARE.concurrency + SHARE.qps
      return sum / all
    end

    local function share_of(node, row, verdict, now)
      local weight = node.weight
      if row.weak then
        local grown = (now - row.weak) / conf.weak
        weight = weight * math.min(1, grown)
        row.weak = grown < 1 and row.weak or nil
      end
      if verdict >= GOOD then
        return weight
      elseif verdict >= FAIR then
        return weight * 2 / 3
      end
      row.weak = conf.weak > 0 and now or nil
      return verdict > DISABLED and math.min(weight, 1) or 0
    end

    -- Shares, and their sums in the order of the list, which a choice searches.
    local function judge_all(nodes)
      local now, measured = policy.clock(), {}
      for i, node in ipairs(nodes) do
        measured[i] = measure(seen, node, now, conf.period)
      end
      local usual = usual_of(measured)
      local verdict, total = { shares = {}, sums = {}, till = now + conf.period }, 0
      for i, node in ipairs(nodes) do
        local share = share_of(node, measured[i], judge(node, measured[i], usual), now)
        total = total + share
        verdict.shares[node], verdict.sums[i] = share, total
      end
      return verdict
    end

    local judged = setmetatable({}, { __mode = 'k' })

    local function verdict_of(origin)
      local verdict = judged[origin]
      if not verdict or verdict.till <= policy.clock() then
        verdict = judge_all(origin)
        judged[origin] = verdict
      end
      return verdict
    end

    -- Sums for a list that was filtered for one call.
    local function sums_of(nodes, verdict)
      local sums, total = {}, 0
      for i, node in ipairs(nodes) do
        total = total + (verdict.shares[node] or 0)
        sums[i] = total
      end
      return sums
    end

    return function(_, _, nodes)
      local origin = nodes:origin()
      local verdict = verdict_of(origin)
      local sums = origin == nodes and verdict.sums or sums_of(nodes, verdict)
      return sums[#sums] > 0 and nodes[draw(sums)] or nodes:weighted()
    end
  end,
}
