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

-- `heap` is ordered by what `key` says, which is never later than `due`.
local function sift(heap, key, i)
  local n, node = #heap, heap[i]
  local at = key[node]
  while true do
    local child = 2 * i
    if child > n then
      break
    end
    if child < n and key[heap[child + 1]] < key[heap[child]] then
      child = child + 1
    end
    if key[heap[child]] >= at then
      break
    end
    heap[i] = heap[child]
    i = child
  end
  heap[i] = node
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
      local heap, key = {}, {}
      for i, node in ipairs(nodes) do
        heap[i], key[node] = node, due_of(node)
      end
      for i = math.floor(#heap / 2), 1, -1 do
        sift(heap, key, i)
      end
      return { heap = heap, key = key }
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
      local heap, key = line.heap, line.key
      -- Another list may have taken the node meanwhile.
      while key[heap[1]] < due[heap[1]] do
        key[heap[1]] = due[heap[1]]
        sift(heap, key, 1)
      end
      if key[heap[1]] == math.huge then
        return nodes[nodes:draw()] -- none has any weight
      end
      local node = take(heap[1], key[heap[1]])
      key[node] = due[node]
      sift(heap, key, 1)
      return node
    end
  end,
}
