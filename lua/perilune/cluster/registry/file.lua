-- SPDX-License-Identifier: MIT
-- file:///run/user/1000/perilune: a folder through which the processes of one host find each other.
-- One file per provider, written aside and renamed, touched every second; who has not been touched
-- for three seconds is dead. The folder and its files are their owner's alone. It is watched, and
-- looked at every second besides, because not every file system tells.
local ffi = require 'ffi'
local lfs = require 'lfs'
local core = require 'perilune.core'
local listings = require 'perilune.cluster.listing'
local urls = require 'perilune.cluster.url'
local C = require 'perilune.ffi'

ffi.cdef [[
int mkdir(const char *path, unsigned int mode);
int chmod(const char *path, unsigned int mode);
unsigned int geteuid(void);
]]

local TOUCH, DEAD, LOOK = 1000, 3000, 1000
local FORGET = 60000 -- files of the dead are removed after this long
local GATHER = 20 -- one look for all changes that come this close together
local MAX_SIZE = 65536

---@class perilune.cluster.registry.File
local File = {}
File.__index = File

local function name_of(service_url)
  local entry = assert(urls.entry(service_url))
  local text = ('%s_%s_%s'):format(entry.interface or '', entry.alias or '', entry.address)
  local hash = C.peri_node_rank(service_url, 0)
  return ('%s.%08x.json'):format(text:gsub('[^%w%.%-]+', '_'):sub(1, 150), tonumber(hash))
end

-- ── providers ─────────────────────────────────────────────────────────────────────────────────

local function write(self, name, service_url)
  local path = self.path .. '/' .. name
  local aside = ('%s/.%s.%d'):format(self.path, name, core.random(2 ^ 30))
  local file, message = io.open(aside, 'w')
  if not file then
    return nil, message
  end
  ffi.C.chmod(aside, 384) -- 0600
  local bytes = assert(core.encode({ url = service_url }))
  local written
  written, message = file:write(bytes, '\n')
  file:close()
  if written then
    written, message = os.rename(aside, path)
  end
  if not written then
    os.remove(aside)
    return nil, message
  end
  return true
end

---@async
local function keep_alive(self)
  while not self.closed and next(self.own) ~= nil do
    core.park(TOUCH)
    for name, service_url in pairs(self.closed and {} or self.own) do
      if not lfs.touch(self.path .. '/' .. name) then
        local ok, message = write(self, name, service_url)
        if not ok then
          local text = ('cannot write in %s: %s'):format(self.path, tostring(message))
          core.log('warn', 'REGISTRY-FILE', text)
          self.note(text)
        end
      end
    end
  end
  self.keeper = nil
end

function File:register(service_url)
  local name = name_of(service_url)
  local ok, message = write(self, name, service_url)
  if not ok then
    local text = ('cannot register in %s: %s'):format(self.path, tostring(message))
    self.note(text)
    return nil, text
  end
  self.note()
  self.own[name] = service_url
  if not self.keeper then
    self.keeper = core.spawn(keep_alive, self, nil, true)
  end
  self:look()
  return true
end

function File:deregister(service_url)
  local name = name_of(service_url)
  self.own[name] = nil
  os.remove(self.path .. '/' .. name)
  self:look()
  return true
end

-- ── consumers ─────────────────────────────────────────────────────────────────────────────────

local function read(path, size)
  if size > MAX_SIZE then
    return nil
  end
  local file = io.open(path)
  local text = file and file:read(MAX_SIZE)
  if file then
    file:close()
  end
  local value = text and core.decode(text)
  local service_url = type(value) == 'table' and value.url
  return type(service_url) == 'string' and urls.entry(service_url) and service_url or nil
end

-- What is known about a file after looking at it once more. Its content is read again only when it
-- was renamed into place again.
local function observe(self, name, now, trusting)
  local path = self.path .. '/' .. name
  local stat = lfs.symlinkattributes(path)
  if not stat or stat.mode ~= 'file' or stat.uid ~= self.uid then
    return nil
  end
  local old = self.seen[name]
  if not old or old.ino ~= stat.ino then
    -- A file left behind by the dead is old already; seconds are all a file's time tells.
    local age = core.walltime() - stat.modification * 1000
    local stale = age > DEAD + 1000
    return {
      url = read(path, stat.size),
      ino = stat.ino,
      modified = stat.modification,
      changed = stale and now - DEAD - 1 or now,
    }
  end
  if trusting or old.modified ~= stat.modification then
    old.modified, old.changed = stat.modification, now
  end
  return old
end

local function bury(self, name, file, now)
  if now - file.changed > FORGET and not self.own[name] then
    os.remove(self.path .. '/' .. name)
  end
end

-- Reads the folder and tells subscribers.
function File:look()
  if next(self.listing.subscribers) == nil then
    return
  end
  local ok, iterate, folder = pcall(lfs.dir, self.path)
  if not ok then
    self.note(tostring(iterate))
    return -- the folder is gone: nobody said that the providers are
  end
  self.note()
  local now = core.clock()
  -- Who slept himself must not call others dead for it.
  local trusting = self.looked ~= nil and now - self.looked > DEAD - TOUCH
  self.looked = now
  local seen, names = {}, {}
  for name in iterate, folder do
    if name:match '^[^.].*%.json$' then
      local file = observe(self, name, now, trusting)
      seen[name] = file
      if file and file.url and now - file.changed <= DEAD then
        names[#names + 1] = name
      elseif file then
        bury(self, name, file, now)
      end
    end
  end
  self.seen = seen
  table.sort(names)
  for i, name in ipairs(names) do
    names[i] = seen[name].url
  end
  self.listing:set(names, true)
end

---@async
local function look_around(self)
  while not self.closed and next(self.listing.subscribers) ~= nil do
    self:look()
    if core.park(LOOK) then
      core.park(GATHER)
    end
  end
  if self.watch then
    core.unwatch(self.watch)
    self.watch = nil
  end
  self.looker = nil
end

function File:subscribe(service, on_change)
  local handle = self.listing:subscribe(service, on_change)
  if not self.watch then
    self.watch = core.watch(self.path, function()
      core.wake(self.looker or 0, true)
    end)
  end
  if not self.looker then
    self.looker = core.spawn(look_around, self, nil, true)
  end
  return handle
end

function File:unsubscribe(handle)
  self.listing:unsubscribe(handle)
end

function File:close()
  self.closed = true
  for name in pairs(self.own) do
    os.remove(self.path .. '/' .. name)
  end
  self.own = {}
  core.wake(self.keeper or 0)
  core.wake(self.looker or 0)
end

-- The folder, made if it is not there, refused if it is not ours alone.
local function secure(path, uid)
  ffi.C.mkdir(path, 448) -- 0700
  local stat = lfs.attributes(path)
  if not stat or stat.mode ~= 'directory' then
    return ("cannot make the folder '%s'; does the one above exist?"):format(path)
  elseif stat.uid ~= uid then
    return ("the folder '%s' belongs to another user"):format(path)
  elseif stat.permissions:sub(4) ~= '------' then
    return ("the folder '%s' is open to others (%s); run: chmod 700 '%s'"):format(
      path,
      stat.permissions,
      path
    )
  end
end

return {
  name = 'file',
  notes = true,
  new = function(conf)
    local url = conf.url
    local path = url.path ~= '' and (url.address .. '/' .. url.path) or url.address
    local uid = tonumber(ffi.C.geteuid())
    local wrong = path == '' and 'file:// needs a folder: file:///run/perilune' or secure(path, uid)
    if wrong then
      return nil, wrong
    end
    return setmetatable({
      path = path,
      note = conf.note or function() end,
      uid = uid,
      own = {},
      seen = {},
      listing = listings.new(),
    }, File)
  end,
}
