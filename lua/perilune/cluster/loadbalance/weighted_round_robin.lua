-- SPDX-License-Identifier: MIT
-- Nodes in turn, each as often as its weight says and evenly spread: one of weight 3 between two of
-- weight 1 comes every other time, not three times in a row. Every node is due at a time; the one
-- that is due first is taken and due again after 1/weight. A heap makes that cost the logarithm of
-- the number of nodes; lists filtered for one call are walked.
local policy = require 'perilune.policy'

-- A node of weight 0 waits until all others are gone.
local function period(node)
  local weight = node.weight
  return weight > 0 and 1 / weight or math.huge
end

-- Lets the node at the top of the heap sink to its place; `at` are the times the heap is ordered by,
-- which are never later than `due`.
local function sink(heap, at, i)
  local n, node, time = #heap, heap[i], at[i]
  while true do
    local child = 2 * i
    if child > n then
      break
    end
    if child < n and at[child + 1] < at[child] then
      child = child + 1
    end
    if at[child] >= time then
      break
    end
    heap[i], at[i] = heap[child], at[child]
    i = child
  end
  heap[i], at[i] = node, time
end

return {
  name = 'weighted_round_robin',
  new = function()
    local now = 0
    local due = setmetatable({}, { __mode = 'k' })

    -- New nodes come in anywhere within their period, so that they do not come all at once.
    local function due_of(node)
      local at = due[node]
      if not at or at < now or at == math.huge then
        at = now + policy.random() * period(node)
        due[node] = at
      end
      return at
    end

    local function take(node, at)
      now = math.max(now, at)
      due[node] = at + period(node)
      return node
    end

    local function build(nodes)
      local heap, at = {}, {}
      for i, node in ipairs(nodes) do
        heap[i], at[i] = node, due_of(node)
      end
      for i = math.floor(#heap / 2), 1, -1 do
        sink(heap, at, i)
      end
      return { heap = heap, at = at }
    end

    local function first(nodes)
      local best, earliest
      for _, node in ipairs(nodes) do
        local at = due_of(node)
        if not best or at < earliest then
          best, earliest = node, at
        end
      end
      return earliest < math.huge and take(best, earliest) or nodes[nodes:draw()]
    end

    return function(_, _, nodes)
      if nodes:origin() ~= nodes then
        return first(nodes)
      end
      local line = nodes:derived(build)
      local heap, at = line.heap, line.at
      -- Another list may have taken the node meanwhile.
      while at[1] < due[heap[1]] do
        at[1] = due[heap[1]]
        sink(heap, at, 1)
      end
      if at[1] == math.huge then
        return nodes[nodes:draw()] -- none has any weight
      end
      local node = take(heap[1], at[1])
      at[1] = due[node]
      sink(heap, at, 1)
      return node
    end
  end,
}
