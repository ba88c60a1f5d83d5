-- SPDX-License-Identifier: MIT
-- Child processes: started on chosen cores, read line by line, measured from outside, stopped by
-- their own id. A child dies with its parent.

local ffi = require 'ffi'
local bit = require 'bit'

ffi.cdef [[
typedef int pid_t; typedef unsigned long rlim_t; typedef long ssize_t;
struct pollfd { int fd; short events; short revents; };
struct rlimit { rlim_t now, most; };
struct bench_time { long sec, nsec; };
pid_t fork(void); int execvp(const char *file, char *const argv[]); void _exit(int code);
int pipe2(int fds[2], int flags); int dup2(int from, int to); int close(int fd);
int open(const char *path, int flags, ...);
ssize_t read(int fd, void *bytes, size_t n);
int poll(struct pollfd *fds, unsigned long n, int ms); int kill(pid_t pid, int sig);
pid_t waitpid(pid_t pid, int *status, int options);
int setenv(const char *name, const char *value, int overwrite);
int prctl(int option, ...); int sched_setaffinity(pid_t pid, size_t size, const void *mask);
int sched_getaffinity(pid_t pid, size_t size, void *mask);
int getrlimit(int what, struct rlimit *limit); int setrlimit(int what, const struct rlimit *limit);
int clock_getcpuclockid(pid_t pid, int *clock); int clock_gettime(int clock, struct bench_time *at);
char *mkdtemp(char *template);
]]

local C = ffi.C
local O_CLOEXEC, O_WRONLY, O_CREAT_TRUNC, OWNER_ONLY = 0x80000, 1, 0x240, 384
local POLLIN, WNOHANG, NOFILE = 1, 1, 7
local SIGTERM, SIGKILL, SET_DEATHSIG = 15, 9, 1
local MASK_BYTES = 128

local M = {}

---@class bench.Process
---@field pid integer
---@field out integer the reading end of its standard output
---@field log string the file its standard error goes to
---@field _stdin integer
---@field _text string
---@field _code integer?

---@return number seconds on the monotonic clock
function M.now()
  local at = ffi.new 'struct bench_time[1]'
  C.clock_gettime(1, at)
  return tonumber(at[0].sec) + tonumber(at[0].nsec) / 1e9
end

---@param ms integer
function M.pause(ms)
  C.poll(nil, 0, ms)
end

---@param pid integer
---@return number seconds CPU time of all its threads, user and kernel
function M.cpu(pid)
  local clock, at = ffi.new 'int[1]', ffi.new 'struct bench_time[1]'
  if C.clock_getcpuclockid(pid, clock) ~= 0 or C.clock_gettime(clock[0], at) ~= 0 then
    return 0
  end
  return tonumber(at[0].sec) + tonumber(at[0].nsec) / 1e9
end

---@param pid integer
---@return integer bytes resident
function M.rss(pid)
  local file = io.open(('/proc/%d/statm'):format(pid))
  local pages = file and file:read '*l':match '^%d+ (%d+)'
  if file then
    file:close()
  end
  return (tonumber(pages) or 0) * 4096
end

---Waits until the resident memory stands still, at most three seconds.
---@param pid integer
---@return integer bytes
function M.settled_rss(pid)
  local last, same = M.rss(pid), 0
  for _ = 1, 30 do
    M.pause(100)
    local now = M.rss(pid)
    same = now == last and same + 1 or 0
    last = now
    if same == 3 then
      break
    end
  end
  return last
end

---@return integer[] cores this process may use
function M.cores()
  local mask = ffi.new('uint8_t[?]', MASK_BYTES)
  local list = {}
  C.sched_getaffinity(0, MASK_BYTES, mask)
  for core = 0, MASK_BYTES * 8 - 1 do
    if bit.band(mask[math.floor(core / 8)], bit.lshift(1, core % 8)) ~= 0 then
      list[#list + 1] = core
    end
  end
  return list
end

---@return string folder a fresh one of our own
function M.make_folder()
  local template = ffi.new('char[?]', 64, (os.getenv 'TMPDIR' or '/tmp') .. '/bench-XXXXXX')
  assert(C.mkdtemp(template) ~= nil, 'cannot make a folder for logs in TMPDIR or /tmp')
  return ffi.string(template)
end

local function pipe()
  local fds = ffi.new 'int[2]'
  assert(C.pipe2(fds, O_CLOEXEC) == 0, 'cannot make a pipe')
  return fds[0], fds[1]
end

local function pin(cores)
  local mask = ffi.new('uint8_t[?]', MASK_BYTES)
  for _, core in ipairs(cores) do
    local at = math.floor(core / 8)
    mask[at] = bit.bor(mask[at], bit.lshift(1, core % 8))
  end
  C.sched_setaffinity(0, MASK_BYTES, mask)
end

local function raise_file_limit()
  local limit = ffi.new 'struct rlimit[1]'
  C.getrlimit(NOFILE, limit)
  limit[0].now = limit[0].most
  C.setrlimit(NOFILE, limit)
end

-- Never returns.
local function become(argv, options, stdin, stdout, log)
  C.prctl(SET_DEATHSIG, SIGKILL)
  C.dup2(stdin, 0)
  C.dup2(stdout, 1)
  local flags = O_WRONLY + O_CREAT_TRUNC + O_CLOEXEC
  C.dup2(C.open(log, flags, ffi.cast('int', OWNER_ONLY)), 2)
  raise_file_limit()
  if options.cores then
    pin(options.cores)
  end
  for name, value in pairs(options.env or {}) do
    C.setenv(name, tostring(value), 1)
  end
  local list = ffi.new('const char *[?]', #argv + 1)
  for i, word in ipairs(argv) do
    list[i - 1] = word
  end
  C.execvp(argv[1], ffi.cast('char *const *', list))
  C._exit(127)
end

---@param argv string[]
---@param options { cores: integer[]?, env: table<string, any>?, log: string }
---@return bench.Process
function M.spawn(argv, options)
  local in_read, in_write = pipe()
  local out_read, out_write = pipe()
  local pid = C.fork()
  assert(pid >= 0, 'cannot start a process')
  if pid == 0 then
    become(argv, options, in_read, out_write, options.log)
  end
  C.close(in_read)
  C.close(out_write)
  return { pid = pid, out = out_read, log = options.log, _stdin = in_write, _text = '' }
end

---@param proc bench.Process
---@return integer? code nil while it runs; minus the signal when one ended it
function M.code(proc)
  local status = ffi.new 'int[1]'
  if not proc._code and C.waitpid(proc.pid, status, WNOHANG) == proc.pid then
    local signal = bit.band(status[0], 0x7f)
    proc._code = signal ~= 0 and -signal or bit.band(bit.rshift(status[0], 8), 0xff)
  end
  return proc._code
end

-- Returns false at the end of the output or when the time is over.
local function read_more(proc, ms)
  local fds = ffi.new 'struct pollfd[1]'
  fds[0].fd, fds[0].events = proc.out, POLLIN
  if ms < 0 or C.poll(fds, 1, ms) <= 0 then
    return false
  end
  local bytes = ffi.new 'char[4096]'
  local n = tonumber(C.read(proc.out, bytes, 4096))
  if n <= 0 then
    return false
  end
  proc._text = proc._text .. ffi.string(bytes, n)
  return true
end

---@param proc bench.Process
---@param seconds number
---@return string? line nil when none came in time
function M.read_line(proc, seconds)
  local limit = M.now() + seconds
  while true do
    local line, rest = proc._text:match '^([^\n]*)\n(.*)$'
    if line then
      proc._text = rest
      return line
    end
    if not read_more(proc, math.floor((limit - M.now()) * 1000)) then
      return nil
    end
  end
end

local function wait(proc, seconds)
  local limit = M.now() + seconds
  while not M.code(proc) and M.now() < limit do
    M.pause(10)
  end
  return proc._code
end

---@param proc bench.Process
function M.stop(proc)
  if not M.code(proc) then
    C.kill(proc.pid, SIGTERM)
  end
  if not wait(proc, 3) then
    C.kill(proc.pid, SIGKILL)
    wait(proc, 3)
  end
  C.close(proc.out)
  C.close(proc._stdin)
end

---Runs a command to its end.
---@param argv string[]
---@param options table as for spawn
---@param seconds number limit
---@return string? output nil with a reason when it failed
---@return string? reason
function M.run(argv, options, seconds)
  local proc = M.spawn(argv, options)
  local limit = M.now() + seconds
  while read_more(proc, math.floor((limit - M.now()) * 1000)) do
  end
  local code = wait(proc, math.max(0.5, limit - M.now()))
  M.stop(proc)
  if code == 0 then
    return proc._text
  end
  return nil, code and M.last_words(proc) or ('did not end within %d s'):format(seconds)
end

---@param proc bench.Process
---@return string text the last line it wrote to standard error, or its exit code
function M.last_words(proc)
  local file = io.open(proc.log)
  local text = file and file:read '*a' or ''
  if file then
    file:close()
  end
  local line = text:match '([^\n]+)%s*$'
  return line and line:sub(1, 200) or ('ended with code %s'):format(tostring(M.code(proc)))
end

return M
