-- SPDX-License-Identifier: MIT
-- A registry in Redis: redis://127.0.0.1:6379?prefix=perilune&ttl=10000, or redis:///run/redis.sock
--
-- Each service (interface and alias) is a sorted set of URLs whose scores say until when they count,
-- by the server's clock. Providers write themselves again every third of the `ttl`; who is silent for
-- longer is gone. Changes are published on a channel, so that consumers hear of them at once; what
-- nobody publishes, the death of a provider, is seen when the list is read again, every third of the
-- ttl. Every list is read whole, so nothing that was missed stays missed.
--
-- A server that cannot be reached changes no list: everybody keeps what is known.
local listings = require 'perilune.cluster.listing'
local perilune = require 'perilune'
local resp = require 'perilune.redis.resp'
local urls = require 'perilune.cluster.url'

local RETRY = 1000 -- ms between attempts to reach the server

-- Both scripts run in the server, which is the only clock.
local NOW = "local t = redis.call('TIME') local now = t[1] * 1000 + math.floor(t[2] / 1000) "
local WRITE = NOW
  .. "local new = redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1]) "
  .. "redis.call('PEXPIRE', KEYS[1], ARGV[2] * 2) "
  .. "if new == 1 then redis.call('PUBLISH', ARGV[3], KEYS[1]) end return new"
local READ = NOW
  .. "redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now) "
  .. "return redis.call('ZRANGE', KEYS[1], 0, -1)"
local REMOVE = "local gone = redis.call('ZREM', KEYS[1], ARGV[1]) "
  .. "if gone == 1 then redis.call('PUBLISH', ARGV[2], KEYS[1]) end return gone"

---@class perilune.cluster.registry.Redis
local Redis = {}
Redis.__index = Redis

local function key_of(self, interface, alias)
  return ('%s:%s:%s'):format(self.prefix, interface or '', alias or '')
end

local function warn(self, err)
  if not self.closed then
    perilune.log.warn(('%s: %s'):format(self.shown, tostring(err)), nil, 'REGISTRY-REDIS')
  end
end

-- ── the connection for commands ─────────────────────────────────────────────────────────────────

---@async
local function connect(self)
  return resp.connect(
    self.address,
    { timeout = self.timeout, password = self.password, db = self.db }
  )
end

---@async
local function command_now(self, ...)
  local err
  if not self.client then
    self.client, err = connect(self)
    if not self.client then
      self.note(tostring(err))
      return nil, err
    end
  end
  local reply
  reply, err = self.client:command(...)
  if err and err.code ~= 'BAD_REQUEST' then
    self.client:close()
    self.client = nil
    self.note(tostring(err))
  else
    self.note()
  end
  return reply, err
end

-- One command at a time: each waits for the one before it.
---@async
local function command(self, ...)
  local before = self.last
  local mine, settle = perilune.future()
  self.last = mine
  if before then
    pcall(before.await, before)
  end
  local ok, reply, err = pcall(command_now, self, ...)
  settle(true)
  if not ok then
    error(reply, 0)
  end
  return reply, err
end

-- Who waits goes through a list of its own: what comes meanwhile would be put into the table it walks.
local function names_of(set)
  local list = {}
  for name in pairs(set) do
    list[#list + 1] = name
  end
  return list
end

-- ── providers ─────────────────────────────────────────────────────────────────────────────────

---@async
local function write(self, service_url)
  local entry = assert(urls.entry(service_url))
  local key = key_of(self, entry.interface, entry.alias)
  return command(self, 'EVAL', WRITE, 1, key, service_url, self.ttl, self.channel)
end

---@async
local function keep(self)
  while not self.closed and next(self.own) do
    self.over:await(self.ttl / 3)
    for _, service_url in ipairs(names_of(self.own)) do
      local _, err
      if self.own[service_url] then
        _, err = write(self, service_url)
      end
      if err then
        warn(self, err)
        break
      end
    end
  end
  self.keeper = nil
end

function Redis:register(service_url)
  self.own[service_url] = true
  if not self.keeper then
    self.keeper = perilune.detached(keep, self)
  end
  local _, err = write(self, service_url)
  if err then
    return nil, tostring(err)
  end
  return true
end

function Redis:deregister(service_url)
  self.own[service_url] = nil
  local entry = assert(urls.entry(service_url))
  local key = key_of(self, entry.interface, entry.alias)
  local _, err = command(self, 'EVAL', REMOVE, 1, key, service_url, self.channel)
  if err then
    return nil, tostring(err)
  end
  return true
end

-- ── consumers ─────────────────────────────────────────────────────────────────────────────────

-- Reads the lists of the given services; true when all of them came.
---@async
local function look(self, keys)
  for _, key in ipairs(keys) do
    local list, err = command(self, 'EVAL', READ, 1, key)
    if err then
      warn(self, err)
      return false
    end
    if self.listings[key] then -- else nobody wants it any more
      self.listings[key]:set(list, true)
    end
  end
  return true
end

-- Listens for changes; the connection is made anew when it ends.
---@async
local function hear(self, client)
  local ok, err = client:command('SUBSCRIBE', self.channel)
  if ok then
    look(self, names_of(self.listings)) -- what changed while nobody listened
  end
  while ok and not self.closed do
    local message
    message, err = client:receive(0)
    if not message then
      break
    end
    local key = type(message) == 'table' and message[1] == 'message' and message[3]
    if key and self.listings[key] then
      look(self, { key })
    end
  end
  client:close()
  return err
end

---@async
local function follow(self)
  while not self.closed do
    local client, err = connect(self)
    if client then
      self.ear = client
      err = hear(self, client)
      self.ear = nil
    end
    if not self.closed then
      self.note(tostring(err or 'the connection ended'))
      warn(self, err or 'the connection ended')
      self.over:await(RETRY)
    end
  end
end

---@async
local function poll(self)
  while not self.closed do
    self.over:await(self.ttl / 3)
    if not self.closed then
      look(self, names_of(self.listings))
    end
  end
end

function Redis:subscribe(service, on_change)
  local key = key_of(self, service.interface, service.alias)
  local known = self.listings[key]
  self.listings[key] = known or listings.new()
  local handle = self.listings[key]:subscribe(service, on_change)
  handle.key = key
  if not self.follower then
    self.follower = true
    perilune.detached(follow, self)
    perilune.detached(poll, self)
  elseif not known then
    perilune.detached(look, self, { key })
  end
  return handle
end

function Redis:unsubscribe(handle)
  local listing = self.listings[handle.key]
  if listing then
    listing:unsubscribe(handle)
    self.listings[handle.key] = next(listing.subscribers) and listing or nil
  end
end

function Redis:close()
  self.closed = true
  self.finish(true) -- ends the pauses
  for _, service_url in ipairs(names_of(self.own)) do
    self:deregister(service_url)
  end
  for _, name in ipairs { 'client', 'ear' } do
    if self[name] then
      self[name]:close()
    end
  end
end

return {
  name = 'redis',
  notes = true,
  schema = {
    prefix = { type = 'string', default = 'perilune', help = 'what all keys begin with' },
    ttl = { type = 'integer', min = 300, default = 10000, help = 'ms a silent provider is listed' },
    timeout = { type = 'integer', min = 1, default = 3000, help = 'ms a command may take' },
    db = { type = 'integer', min = 0, default = 0, help = 'number of the database' },
    ['.password'] = { type = 'string', help = 'never logged or listed' },
  },
  new = function(conf)
    local address = conf.url.address
    if address == '' then
      return nil, 'write redis://HOST:PORT'
    end
    local is_path = address:sub(1, 1) == '/'
    address = (is_path or address:match ':%d+$') and address or address .. ':6379'
    if address:find('@', 1, true) then
      return nil, 'give the password as ?.password=...'
    elseif conf.url.path ~= '' then
      return nil, ('give the number of the database as ?db=%s'):format(conf.url.path)
    end
    local over, finish = perilune.future()
    return setmetatable({
      over = over,
      finish = finish,
      address = (is_path and 'unix://' or 'tcp://') .. address,
      shown = 'redis://' .. address,
      note = conf.note or function() end,
      prefix = conf.prefix,
      channel = conf.prefix .. ':changes',
      ttl = conf.ttl,
      timeout = conf.timeout,
      db = conf.db,
      password = conf['.password'],
      own = {},
      listings = {}, -- by key, of the services that somebody follows
    }, Redis)
  end,
}
