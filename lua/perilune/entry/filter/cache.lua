-- SPDX-License-Identifier: MIT
-- Answers from what was answered before: equal arguments, equal result, for `ttl` ms. Failures are never
-- kept. Of equal calls that come together one asks, the others wait for its answer, each at most until
-- its own deadline; when the one gives up, the next takes its place.
--
--   methods = { price = { cache = 1000 } }
--   cache = { ttl = 1000, capacity = 500, nulls = true, key = { 'fields', of = { '1.id' } } }
--
-- On a provider, a result that depends on who calls needs that in its key.
local perilune = require 'perilune'

-- Tables are copied in and out, so that nobody changes what others get.
local copy = perilune.policy.kept

-- Stand in for nil, which a store cannot tell from nothing.
local NULL = {}

-- Keeps a result, and returns what was kept: nil when it cannot be.
local function keep(self, key, result)
  if result == nil then
    if self.nulls then
      self.store.set(key, NULL, self.ttl, 8)
    end
    return NULL
  end
  local kept, bytes = copy(result, self.bytes)
  if kept ~= nil then
    self.store.set(key, kept, self.ttl, bytes)
  end
  return kept
end

local function given(self, entry)
  if entry == NULL then
    return nil
  elseif type(entry) == 'table' and not self.share then
    return (copy(entry, self.bytes))
  end
  return entry
end

-- Why a leader gave up says nothing about the others' calls.
local function gave_up(ctx, err)
  return ctx:cancelled() ~= nil
    or err.code == 'CANCELLED'
    or (err.code == 'TIMEOUT' and ctx:left() <= 0)
end

-- What `flights` has under a key while somebody asks and nobody waits; else { future, settle }.
local ALONE = true
local AGAIN, EACH = 'again', 'each'

-- The end of asking, for those who wait, if any. They get { what was kept }, AGAIN when one of them has to
-- ask, EACH when every one has to, or the error.
local function land(self, key)
  local flight = self.flights[key]
  self.flights[key] = nil
  return flight ~= ALONE and flight.settle or nil
end

local function land_failed(self, key, ctx, err)
  local settle = land(self, key)
  if settle and gave_up(ctx, err) then
    settle(AGAIN)
  elseif settle then
    settle(nil, err)
  end
end

-- Asks for itself and for those who wait.
---@async
local function lead(self, key, ctx, call, next)
  self.flights[key] = ALONE
  local ok, result, err = pcall(next, ctx, call)
  if not ok then
    local settle = land(self, key)
    if settle then
      settle(nil, perilune.error('INTERNAL', 'internal error'))
    end
    error(result, 0)
  elseif err ~= nil then
    err = perilune.error_of(err)
    land_failed(self, key, ctx, err)
    return nil, err
  end
  local settle = land(self, key)
  local stored, kept = pcall(keep, self, key, result)
  if settle then
    settle(stored and kept ~= nil and { kept } or EACH)
  end
  if not stored then
    error(kept, 0)
  end
  return result
end

---@async
local function ask(self, key, ctx, call, next)
  local result, err = next(ctx, call)
  if err == nil then
    keep(self, key, result)
  end
  return result, err
end

-- Who finds nobody asking asks; the others wait for the answer, and for the next one who asks.
---@async
local function miss(self, key, ctx, call, next)
  while self.single_flight do
    local flight = self.flights[key]
    if not flight then
      self.misses()
      return lead(self, key, ctx, call, next)
    elseif flight == ALONE then
      local future, settle = perilune.future()
      flight = { future = future, settle = settle }
      self.flights[key] = flight
    end
    local answer, err = flight.future:await(ctx:left())
    if err ~= nil then
      return nil, err
    elseif answer == EACH then
      break
    elseif answer ~= AGAIN then
      self.hits()
      return given(self, answer[1])
    end
  end
  self.misses()
  return ask(self, key, ctx, call, next)
end

local function name_of(ref)
  return type(ref) == 'table' and ref[1] or ref
end

-- Keys that begin with the method; those of scripts need not know whose calls the filter sees.
local WITH_METHOD = { arguments = true, fields = true }

-- Do all calls have keys of their own as they are? A store that a script brings may serve other services, too.
local function are_apart(conf)
  return name_of(conf.store) == 'lru' and WITH_METHOD[name_of(conf.key)] or false
end

local function whole_key(call, key)
  return table.concat({ call.interface, call.alias, call.method, key }, '\1')
end

return {
  name = 'cache',
  side = 'both',
  schema = {
    ttl = { type = 'number', min = 1, help = 'ms a result is good; for ever without' },
    capacity = { type = 'integer', min = 1, default = 10000, help = 'entries' },
    bytes = { type = 'integer', min = 1, default = 16777216, help = 'of keys and results' },
    nulls = { type = 'boolean', default = false, help = 'keep results that are nil' },
    single_flight = { type = 'boolean', default = true, help = 'equal calls wait for the first' },
    share = { type = 'boolean', default = false, help = 'one table for all; nobody changes it' },
    key = { type = 'any', default = 'arguments', help = 'a plugin of the point cache_key' },
    store = { type = 'any', default = 'lru', help = 'a plugin of the point cache' },
  },
  new = function(conf)
    local ref = conf.store
    if ref == 'lru' then
      ref = { 'lru', capacity = conf.capacity, bytes = conf.bytes }
    end
    local store, message = perilune.use('cache', ref)
    if not store then
      return nil, message
    end
    local key_of, wrong = perilune.use('cache_key', conf.key)
    if not key_of then
      return nil, wrong
    end
    local self = {
      store = store,
      flights = {},
      ttl = conf.ttl,
      bytes = conf.bytes,
      nulls = conf.nulls,
      share = conf.share,
      single_flight = conf.single_flight,
      hits = perilune.counter('perilune_cache', { outcome = 'hit' }),
      misses = perilune.counter('perilune_cache', { outcome = 'miss' }),
    }
    local get, share, hits, apart = store.get, conf.share, self.hits, are_apart(conf)
    return function(ctx, call, next)
      local key = key_of(ctx, call)
      if key == nil then
        return next(ctx, call)
      elseif type(key) ~= 'string' then
        error(('cache_key gave a %s; it gives a string, or nil'):format(type(key)), 0)
      elseif not apart then
        key = whole_key(call, key)
      end
      local entry = get(key)
      if entry == nil then
        return miss(self, key, ctx, call, next)
      end
      hits()
      if type(entry) ~= 'table' or (share and entry ~= NULL) then
        return entry
      end
      return given(self, entry)
    end
  end,
}
