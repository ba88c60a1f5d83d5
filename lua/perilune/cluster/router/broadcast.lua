-- SPDX-License-Identifier: MIT
-- Sends the call to every node. Its result is a list with an element for each of them, in the order
-- of the nodes: { node = address, result = ..., err = ... }. Fewer successes than `need` fail the
-- call; the list is then in the error's `details`. Unless all are needed the call ends as soon as it
-- is decided; what is under way goes on, and who has not answered is `pending` in the list. Where fewer
-- nodes are ready than are needed, none is asked.
local policy = require 'perilune.policy'

local function is_count(value)
  return type(value) == 'number' and value >= 1 and value % 1 == 0
end

local function needed(need, n)
  if need == 'all' then
    return n
  elseif need == 'quorum' then
    return math.floor(n / 2) + 1
  end
  return need
end

-- Nodes one after the other, several of these loops beside each other.
local function work(state, nodes, send)
  while state.begun < #nodes do
    state.begun = state.begun + 1
    local answer = state.list[state.begun]
    local ok, result, err = pcall(send, nodes[state.begun])
    if ok then
      answer.result, answer.err = result, err
    else
      answer.err = policy.error_of(result)
    end
    answer.pending = nil
    if answer.err == nil then
      state.good = state.good + 1
    else
      state.bad = state.bad + 1
      state.err = state.err or answer.err
    end
    local decided = state.good >= state.need or state.bad > #nodes - state.need
    local told = state.good + state.bad == #nodes
    if told or decided and not state.patient and state.begun == #nodes then
      state.settle(true)
    end
  end
end

local function failure(state, n, list)
  local text = 'broadcast: %d of %d nodes did it, %d are needed; the first failure: %s'
  local message = text:format(state.good, n, state.need, state.err.message)
  return policy.error(state.err.code, message, list)
end

return {
  name = 'broadcast',
  schema = {
    need = { type = 'any', default = 'all', help = "'all', 'quorum' or a number of successes" },
    parallel = { type = 'integer', min = 1, max = 10000, default = 64, help = 'nodes at once' },
  },
  new = function(conf)
    local need = conf.need
    if need ~= 'all' and need ~= 'quorum' and not is_count(need) then
      local text = "need must be 'all', 'quorum' or an integer of at least 1, got '%s'"
      return nil, text:format(tostring(need))
    end
    return {
      fanout = true,
      route = function(_, _, nodes, send)
        local done, settle = policy.future()
        local state = { begun = 0, good = 0, bad = 0, list = {}, settle = settle }
        state.need, state.patient = needed(need, #nodes), need == 'all'
        if state.need > #nodes then
          local text = 'broadcast: %d nodes are needed, %d are ready'
          return nil, policy.error('NO_NODE', text:format(state.need, #nodes))
        end
        for i, node in ipairs(nodes) do
          state.list[i] = { node = node.address, pending = true }
        end
        local loops, works = {}, false
        for i = 1, math.min(conf.parallel, #nodes) do
          loops[i] = policy.async(work, state, nodes, send)
          works = works or not loops[i]:ready()
        end
        if not works then -- no coroutine is left for any
          done:cancel()
          return loops[1]:await()
        end
        local _, err = done:await()
        if err then -- the caller is gone
          for _, future in ipairs(loops) do
            future:cancel()
          end
          done:cancel()
          return nil, err
        end
        local list = {}
        for i, answer in ipairs(state.list) do
          list[i] = { node = answer.node, pending = answer.pending }
          list[i].result, list[i].err = answer.result, answer.err
        end
        if state.good < state.need then
          return nil, failure(state, #nodes, list)
        end
        return list
      end,
    }
  end,
}
