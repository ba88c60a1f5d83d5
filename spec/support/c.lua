-- SPDX-License-Identifier: MIT
-- C units in specs: loads the peri_testing library and declares our headers to the FFI.
--
--   local c = require 'spec.support.c'
--   local lib = c.cdef('base/slots.h', 'base/buf.h')
--   lib.peri_slots_init(...)
--
-- Inline functions are callable too (spec/support/c/inlines.c gives them bodies). Foreign types by
-- value are opaque blocks of the right size (spec/support/c/types.c). What the filter below cannot
-- digest, a spec declares itself with `ffi.cdef`.
local ffi = require 'ffi'

-- busted loads this module anew for each spec file, but what was declared to the FFI stays declared.
local registry = debug.getregistry()
if registry['spec.support.c.module'] then
  return registry['spec.support.c.module']
end

local M = {}
registry['spec.support.c.module'] = M

local here = debug.getinfo(1, 'S').source:match('^@(.*)/spec/support/c%.lua$') or '.'

M.root = here
M.build = os.getenv('PERI_BUILD') or (here .. '/build/dev')
ffi.cdef 'int unsetenv(const char *name);'
-- A sanitizer's runtime is preloaded into this process only: compilers and shells started from it
-- must not inherit it.
ffi.C.unsetenv('LD_PRELOAD')
M.lib = ffi.load(M.build .. '/libperi_testing.so', true)

ffi.cdef [[
typedef struct { const char *name; uint32_t size; uint32_t align; } peri_test_type;
const peri_test_type *peri_test_type_at(uint32_t n);
typedef struct lua_State lua_State;
typedef struct _IO_FILE FILE;
typedef long ssize_t;
typedef int64_t off_t;
typedef int pid_t;
typedef int uv_file;
typedef int uv_os_sock_t;
typedef int uv_os_fd_t;
typedef int uv_pid_t;
typedef void (*uv_close_cb)(void *);
typedef bool atomic_bool;
typedef int atomic_int;
typedef unsigned atomic_uint;
typedef long atomic_long;
typedef unsigned long atomic_ulong;
typedef long long atomic_llong;
typedef unsigned long long atomic_ullong;
typedef size_t atomic_size_t;
typedef uintptr_t atomic_uintptr_t;
typedef struct { char value; } atomic_flag;
]]

local function declare_foreign_types()
  for n = 0, 1000 do
    local row = M.lib.peri_test_type_at(n)
    if row == nil then
      return
    end
    local name, size, align = ffi.string(row.name), row.size, row.align
    local body = ('{ uint8_t opaque[%d]; } __attribute__((aligned(%d)))'):format(size, align)
    if name:match('^struct ') then
      ffi.cdef(name .. body .. ';')
    elseif name == 'uv_buf_t' then
      ffi.cdef 'typedef struct uv_buf_t { char *base; size_t len; } uv_buf_t;'
    elseif name == 'socklen_t' then
      ffi.cdef 'typedef uint32_t socklen_t;'
    else
      -- `struct uv_tcp_s` and `uv_tcp_t` are one type, as in uv.h.
      local tag = name:gsub('_t$', '_s')
      ffi.cdef(('typedef struct %s %s %s;'):format(tag, body, name))
    end
  end
end
declare_foreign_types()

-- Turns the preprocessed text of our own headers into what LuaJIT's C parser accepts.
local function digestible(text)
  text = text:gsub('__attribute__%s*(%b())', function(args)
    return args:find('packed') and '__attribute__((packed))' or ''
  end)
  text = text:gsub('_Static_assert%s*%b()%s*;', '')
  text = text:gsub('__extension__', ''):gsub('_Noreturn', ''):gsub('_Thread_local', '')
  text = text:gsub('_Atomic%s*(%b())', function(type)
    return type:sub(2, -2)
  end)
  text = text:gsub('_Atomic', ''):gsub('%f[%w_]_Bool%f[^%w_]', 'bool')
  -- An inline function becomes its prototype.
  text = text:gsub('static%s+inline%s+([^;{}]-%b())%s*%b{}', '%1;')
  text = text:gsub('static%s+(const[^;{}=]-)=%s*%b{}%s*;', '')
  return text
end

local loaded = {}

local function preprocess(header, flags)
  local command = ('cc -E %s -D_GNU_SOURCE -I%s/src %s %s/src/%s 2>&1'):format(
    flags,
    here,
    '$(pkg-config --cflags luajit)',
    here,
    header
  )
  local pipe = assert(io.popen(command))
  local text = pipe:read('*a')
  pipe:close()
  if text == '' then
    error('nothing came out of: ' .. command, 4)
  end
  return text
end

-- Text of those of our headers that were not declared before, in the order of inclusion.
local function own_text(header)
  local parts, seen, current = {}, {}, nil
  for line in preprocess(header, ''):gmatch('[^\n]*') do
    local file = line:match('^# %d+ "([^"]+)"')
    if file then
      current = file:match('^' .. here:gsub('%p', '%%%0') .. '/src/(.*)$')
      if current and not loaded[current] then
        seen[current] = true
      end
    elseif line:find(': error: ', 1, true) or line:find('fatal error', 1, true) then
      error(line, 3)
    elseif current and seen[current] then
      parts[#parts + 1] = line
    end
  end
  return table.concat(parts, '\n'), seen
end

-- Declares the given headers (paths below src/) and what they include, each once, and returns the
-- library.
function M.cdef(...)
  for _, header in ipairs { ... } do
    if not loaded[header] then
      local text, seen = own_text(header)
      text = digestible(text)
      local ok, err = pcall(ffi.cdef, text)
      if not ok then
        local line = tonumber(tostring(err):match('at line (%d+)'))
        local n, shown = 0, ''
        for source in (text .. '\n'):gmatch('(.-)\n') do
          n = n + 1
          if n == line then
            shown = source
          end
        end
        error(('%s: %s\n  %s'):format(header, err, shown), 2)
      end
      for file in pairs(seen) do
        loaded[file] = true
      end
      loaded[header] = true
    end
  end
  return M.lib
end

local macros = {}

-- The number behind a macro of a header: c.macro('base/err.h', 'PERI_AGAIN').
function M.macro(header, name)
  if not macros[header] then
    macros[header] = {}
    for key, value in preprocess(header, '-dM'):gmatch('#define ([%w_]+) ([^\n]+)') do
      macros[header][key] = value
    end
  end
  local text = macros[header][name] or error(('%s: no macro %s'):format(header, name), 2)
  for _ = 1, 8 do
    text = text:gsub('%f[%w_]PERI_[%w_]+', macros[header])
  end
  text = text:gsub('(%d)[uUlL]+', '%1'):gsub('(%w+)%s*<<%s*(%w+)', '(%1 * 2 ^ %2)')
  return assert(loadstring('return ' .. text))()
end

-- A peri_bytes over a Lua string, which whoever uses it for longer than the next call keeps alive. Until
-- then the string of an expression (`c.bytes(a .. b)`) is kept here: what is evaluated between would
-- have it collected.
local RECENT = 64
local recent, last = {}, 0 -- luacheck: ignore 241

function M.bytes(text)
  M.cdef('base/buf.h')
  last = last % RECENT + 1
  recent[last] = text
  return ffi.new('peri_bytes', ffi.cast('const uint8_t *', text), #text)
end

-- The bytes of a peri_buf or peri_bytes as a Lua string.
function M.string(value)
  local data = ffi.istype('peri_bytes', value) and value.ptr or value.data
  return value.len == 0 and '' or ffi.string(data, value.len)
end

-- A zeroed peri_buf that frees itself.
function M.buf()
  M.cdef('base/buf.h')
  local buf = ffi.new('peri_buf')
  return ffi.gc(buf, M.lib.peri_buf_fini)
end

return M
