-- SPDX-License-Identifier: MIT
-- Child processes in specs, with pipes and poll instead of sleeps.
--
--   local proc = child.start { child.binary(), 'run', 'app.lua' }
--   local port = proc:wait_line('listening on .-:(%d+)')
--   proc:kill('TERM')
--   assert.same({ code = 0 }, proc:wait())
--
--   -- a snippet that may crash, in a LuaJIT of its own with the spec libraries on its path
--   local exit = child.lua [[ local c = require 'spec.support.c' ... ]]
--   assert.equal('ABRT', exit.signal)
local ffi = require 'ffi'
local bit = require 'bit'
local c = require 'spec.support.c'

ffi.cdef [[
struct peri_spec_pollfd { int fd; short events; short revents; };
struct peri_spec_time { long sec; long nsec; };
int pipe(int fds[2]);
int close(int fd);
int kill(int pid, int signal);
int waitpid(int pid, int *status, int options);
int fcntl(int fd, int command, ...);
long read(int fd, void *buf, size_t count);
long write(int fd, const void *buf, size_t count);
int posix_spawnp(int *pid, const char *file, const void *actions, const void *attr,
                 const char *const argv[], const char *const envp[]);
int posix_spawn_file_actions_init(void *actions);
int posix_spawn_file_actions_destroy(void *actions);
int posix_spawn_file_actions_adddup2(void *actions, int fd, int newfd);
int posix_spawn_file_actions_addopen(void *actions, int fd, const char *path, int flags, unsigned mode);
int peri_spec_poll(struct peri_spec_pollfd *fds, unsigned long count, int timeout) __asm__("poll");
int peri_spec_clock(int clock, struct peri_spec_time *now) __asm__("clock_gettime");
extern const char *const *environ;
]]

local M = {}

local SIGNALS = {
  HUP = 1,
  INT = 2,
  QUIT = 3,
  ILL = 4,
  ABRT = 6,
  BUS = 7,
  FPE = 8,
  KILL = 9,
  USR1 = 10,
  SEGV = 11,
  USR2 = 12,
  PIPE = 13,
  ALRM = 14,
  TERM = 15,
  CONT = 18,
  STOP = 19,
}
local SIGNAL_NAMES = {}
for name, number in pairs(SIGNALS) do
  SIGNAL_NAMES[number] = name
end

local WNOHANG, POLLIN = 1, 1
local WRITE_NEW = 577 -- O_WRONLY | O_CREAT | O_TRUNC
local F_SETFD, FD_CLOEXEC, F_DUPFD_CLOEXEC = 2, 1, 1030
local LIMIT = 20 -- seconds until a wait gives up

local clock = ffi.new 'struct peri_spec_time'

local function seconds()
  ffi.C.peri_spec_clock(1, clock)
  return tonumber(clock.sec) + tonumber(clock.nsec) / 1e9
end

---@class peri.spec.Process
---@field pid integer
---@field output string everything read so far, both streams
local Process = {}
Process.__index = Process

-- argv or envp of strings; `keep` must live as long as the result.
local function c_strings(list)
  local array = ffi.new('const char *[?]', #list + 1)
  for i, text in ipairs(list) do
    array[i - 1] = text
  end
  array[#list] = nil
  return array
end

local function environment(extra)
  local merged, list = {}, {}
  local i = 0
  while ffi.C.environ[i] ~= nil do
    local name, value = ffi.string(ffi.C.environ[i]):match('^([^=]+)=(.*)$')
    if name then
      merged[name] = value
    end
    i = i + 1
  end
  merged.ASAN_OPTIONS = merged.PERI_CHILD_ASAN_OPTIONS or merged.ASAN_OPTIONS
  for name, value in pairs(extra or {}) do
    merged[name] = value ~= false and value or nil
  end
  for name, value in pairs(merged) do
    list[#list + 1] = name .. '=' .. value
  end
  return list
end

-- The binary under test.
function M.binary()
  return os.getenv 'PERI_BIN' or (c.build .. '/perilune')
end

local function pipe()
  local fds = ffi.new 'int[2]'
  assert(ffi.C.pipe(fds) == 0, 'pipe failed')
  ffi.C.fcntl(fds[0], F_SETFD, ffi.cast('int', FD_CLOEXEC))
  ffi.C.fcntl(fds[1], F_SETFD, ffi.cast('int', FD_CLOEXEC))
  return fds[0], fds[1]
end

---Starts a process; its standard output and error are both captured. Its input is empty, with
---`input` it stays open until `close_input`.
---@param argv string[]
---@param options? {env?: table<string, string|false>, fds?: integer[], input?: boolean, errors?: string}
---  fds become 3, 4 ...; errors is a file for its standard error, which else is between the output
---@return peri.spec.Process
function M.start(argv, options)
  local env = environment(options and options.env)
  local out, inn = pipe()
  local actions = ffi.new 'uint64_t[64]'
  ffi.C.posix_spawn_file_actions_init(actions)
  local input, written
  if options and options.input then
    input, written = pipe()
    ffi.C.posix_spawn_file_actions_adddup2(actions, input, 0)
  else
    ffi.C.posix_spawn_file_actions_addopen(actions, 0, '/dev/null', 0, 0)
  end
  ffi.C.posix_spawn_file_actions_adddup2(actions, inn, 1)
  if options and options.errors then
    ffi.C.posix_spawn_file_actions_addopen(actions, 2, options.errors, WRITE_NEW, 384)
  else
    ffi.C.posix_spawn_file_actions_adddup2(actions, inn, 2)
  end
  -- By way of high numbers, so that none is overwritten before it was passed.
  local passed = {}
  for i, fd in ipairs(options and options.fds or {}) do
    passed[i] = ffi.C.fcntl(fd, F_DUPFD_CLOEXEC, ffi.cast('int', 100))
    ffi.C.posix_spawn_file_actions_adddup2(actions, passed[i], 2 + i)
  end
  local pid = ffi.new 'int[1]'
  local rc = ffi.C.posix_spawnp(pid, argv[1], actions, nil, c_strings(argv), c_strings(env))
  ffi.C.posix_spawn_file_actions_destroy(actions)
  ffi.C.close(inn)
  if input then
    ffi.C.close(input)
  end
  for _, fd in ipairs(passed) do
    ffi.C.close(fd)
  end
  if rc ~= 0 then
    ffi.C.close(out)
    if written then
      ffi.C.close(written)
    end
    error(('cannot start %s: errno %d'):format(argv[1], rc), 2)
  end
  return setmetatable(
    { pid = pid[0], output = '', _fd = out, _input = written, _name = argv[1] },
    Process
  )
end

-- Reads once, waiting for at most `timeout` seconds. False at the end of the output.
function Process:_read(timeout)
  if not self._fd then
    return false
  end
  local fds = ffi.new('struct peri_spec_pollfd[1]', { { self._fd, POLLIN, 0 } })
  if ffi.C.peri_spec_poll(fds, 1, math.max(0, math.ceil(timeout * 1000))) <= 0 then
    return true
  end
  local buf = ffi.new 'uint8_t[8192]'
  local n = ffi.C.read(self._fd, buf, 8192)
  if n <= 0 then
    ffi.C.close(self._fd)
    self._fd = nil
    return false
  end
  self.output = self.output .. ffi.string(buf, n)
  return true
end

---Waits until the output matches after what the last call found, and returns the captures (the
---whole match when there are none). The end of a line may not have come yet: put `\\n` behind `%d+`.
---@param pattern string
---@param limit? number seconds
function Process:wait_line(pattern, limit)
  local last = seconds() + (limit or LIMIT)
  while true do
    local found = { self.output:find(pattern, self._seen or 1) }
    if found[1] then
      self._seen = found[2] + 1
      if #found == 2 then
        return self.output:sub(found[1], found[2])
      end
      return unpack(found, 3)
    end
    local left = last - seconds()
    if not self:_read(left) or left <= 0 then
      local why = left <= 0 and 'no such line in time' or 'it ended'
      error(
        ('%s: waiting for %q: %s; output:\n%s'):format(self._name, pattern, why, self.output),
        2
      )
    end
  end
end

---@param signal? string|integer 'TERM' when left out
function Process:kill(signal)
  if not self._exit then
    ffi.C.kill(self.pid, SIGNALS[signal or 'TERM'] or signal)
  end
end

local function exit_of(status)
  local signal = bit.band(status, 0x7f)
  if signal == 0 then
    return { code = bit.band(bit.rshift(status, 8), 0xff) }
  end
  return { signal = SIGNAL_NAMES[signal] or signal }
end

---True while the process has not ended.
function Process:running()
  if self._exit then
    return false
  end
  local status = ffi.new 'int[1]'
  if ffi.C.waitpid(self.pid, status, WNOHANG) == self.pid then
    self._exit = exit_of(status[0])
    return false
  end
  return true
end

---Reads the output to its end and waits for the process. Kills it when the limit has passed.
---@param limit? number seconds
---@return {code?: integer, signal?: string} exit
function Process:wait(limit)
  local last = seconds() + (limit or LIMIT)
  while self:running() do
    local left = last - seconds()
    if left <= 0 then
      self:kill 'KILL'
      local status = ffi.new 'int[1]'
      ffi.C.waitpid(self.pid, status, 0)
      self._exit = exit_of(status[0])
      error(('%s did not end in time; output:\n%s'):format(self._name, self.output), 2)
    end
    -- A grandchild may hold the pipe open, and an end of output comes before the end of the process.
    if not self:_read(math.min(left, 0.02)) then
      ffi.C.peri_spec_poll(nil, 0, 1)
    end
  end
  while self._fd do
    local before = #self.output
    if not self:_read(0) or #self.output == before then
      break
    end
  end
  self:_close()
  return self._exit
end

---Writes to the input of a process that was started with `input`.
---@param text string
function Process:write(text)
  assert(self._input and self:running(), self._name .. ' takes no input any more')
  assert(ffi.C.write(self._input, text, #text) == #text)
end

---Ends the input of a process that was started with `input`.
function Process:close_input()
  if self._input then
    ffi.C.close(self._input)
    self._input = nil
  end
end

function Process:_close()
  self:close_input()
  if self._fd then
    ffi.C.close(self._fd)
    self._fd = nil
  end
end

---Ends the process if it still runs; safe to call twice, meant for after_each.
function Process:stop()
  if self:running() then
    self:kill 'KILL'
    self:wait()
  end
  self:_close()
end

---Runs a Lua text in a LuaJIT of its own and waits for its end.
---@param text string
---@param limit? number seconds
---@return {code?: integer, signal?: string, output: string}
function M.lua(text, limit)
  local path = ('%s/?.lua;%s/lua/?.lua;%s/lua/?/init.lua;%s/lua/?.lua;;'):format(
    c.root,
    c.root,
    c.root,
    c.build
  )
  local preload = os.getenv 'PERI_PRELOAD'
  local proc = M.start({ 'luajit', '-e', text }, {
    env = {
      LUA_PATH = path,
      PERI_BUILD = c.build,
      LD_PRELOAD = preload ~= '' and preload or nil,
      ASAN_OPTIONS = os.getenv 'ASAN_OPTIONS',
    },
  })
  local exit = proc:wait(limit)
  return { code = exit.code, signal = exit.signal, output = proc.output }
end

---Runs a command to its end: exit and output.
---@param argv string[]
---@param options? {env?: table<string, string|false>, limit?: number, errors?: string}
---@return {code?: integer, signal?: string, output: string}
function M.run(argv, options)
  local proc = M.start(argv, options)
  local exit = proc:wait(options and options.limit)
  return { code = exit.code, signal = exit.signal, output = proc.output }
end

---Runs a command for what it writes to its standard output, with no line of a log in the middle of it:
---`output` is that alone, `errors` the rest.
---@param argv string[]
---@param options? {env?: table<string, string|false>, limit?: number}
---@return {code?: integer, signal?: string, output: string, errors: string}
function M.read(argv, options)
  local path = os.tmpname()
  local exit =
    M.run(argv, { errors = path, env = options and options.env, limit = options and options.limit })
  local file = assert(io.open(path))
  exit.errors = file:read '*a'
  file:close()
  os.remove(path)
  return exit
end

return M
