-- SPDX-License-Identifier: MIT
-- Asks several nodes at once; the first success is the result, the others are cancelled. Fails when
-- all failed. With `delay` a further node is asked only after so many ms without an answer, or as
-- soon as one failed: a hedged call. The method may run several times, so it must bear that.
local policy = require 'perilune.policy'

return {
  name = 'forking',
  schema = {
    forks = { type = 'integer', min = 0, max = 1000, default = 2, help = 'nodes to ask; 0 = all' },
    delay = { type = 'number', min = 0, default = 0, help = 'ms before the next one is asked' },
  },
  new = function(conf)
    local other = assert(policy.retry.target 'other')

    local function tell(race, result, err)
      if err == nil then
        race.won, race.result = true, result
      else
        race.failed, race.err = race.failed + 1, err
      end
      race.wake(true)
    end

    local function ask(race, send, node)
      race.begun = race.begun + 1
      table.insert(race.asked, node) -- nothing where the balancer chose none
      local future = policy.async(function()
        local ok, result, err = pcall(send, node)
        if ok then
          tell(race, result, err)
        else
          tell(race, nil, policy.error_of(result))
        end
      end)
      if future:ready() then -- no coroutine is left for it
        tell(race, future:await())
      end
      table.insert(race.running, future)
    end

    local function run(race, ctx, call, nodes, send)
      local forks = conf.forks == 0 and #nodes or math.min(conf.forks, #nodes)
      while not race.won and race.failed < forks do
        local answer
        answer, race.wake = policy.future()
        while race.begun < forks do
          ask(race, send, other(ctx, call, nodes, race.asked))
          if conf.delay > 0 then
            break
          end
        end
        local _, err = answer:await(race.begun < forks and conf.delay or nil)
        answer:cancel()
        if err and err.code == 'CANCELLED' then
          race.err = err
          break
        end
      end
    end

    return {
      fanout = true,
      route = function(ctx, call, nodes, send)
        local race = { asked = {}, running = {}, begun = 0, failed = 0 }
        run(race, ctx, call, nodes, send)
        for _, future in ipairs(race.running) do
          future:cancel()
        end
        if race.won then
          return race.result
        end
        return nil, race.err
      end,
    }
  end,
}
