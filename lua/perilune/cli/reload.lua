-- SPDX-License-Identifier: MIT
local core = require 'perilune.core'
local ffi = require 'ffi'
local perilune = require 'perilune'
local target = require 'perilune.cli.target'
local terminal = require 'perilune.cli.terminal'

local M = { summary = 'Load the script of a process on this machine anew.' }

local SIGHUP = 1
local CONNECT_MS = 5000 -- a reload takes its time, to find nobody there need not

function M.describe(parser)
  parser:argument('url', 'Where, such as joyrpc://127.0.0.1:22000.'):args '?'
  parser
    :option('--pid', 'Send SIGHUP to this process instead; its log says what comes of it.')
    :argname('<pid>')
    :convert(tonumber)
  parser:option('--timeout', 'How long to wait in ms.', '90000'):argname '<ms>':convert(tonumber)
  parser:flag('--json', 'As one JSON object.')
end

-- A process that does not handle the signal would be ended by it: then it is not one of ours, which block
-- it and wait for it.
local function takes_signal(pid)
  local file = io.open(('/proc/%d/status'):format(pid))
  if not file then
    return true -- who may not look is told by kill
  end
  local text = file:read '*a'
  file:close()
  for _, name in ipairs { 'SigBlk', 'SigIgn', 'SigCgt' } do
    local mask = text:match(name .. ':%s*(%x+)')
    if not mask or tonumber(mask:sub(-1), 16) % 2 == 1 then
      return true
    end
  end
  return false
end

local function signal(pid)
  if not takes_signal(pid) then
    return 1, ('process %d does not take SIGHUP; is it a perilune?'):format(pid)
  end
  ffi.cdef 'int kill(int pid, int signal);'
  if ffi.C.kill(pid, SIGHUP) ~= 0 then
    return 1, ('no process %d that this user may signal'):format(pid)
  end
  return 0
end

local function text_of(err, timeout)
  if err.code == 'TIMEOUT' then
    local text =
      'TIMEOUT: not done after %d ms; it goes on, its log and perilune status tell what comes of it'
    return text:format(timeout)
  end
  return err.code == 'PRECONDITION' and err.message or tostring(err)
end

---@async
function M.run(args)
  if args.pid and not args.url then
    if args.pid < 2 or args.pid % 1 ~= 0 then
      return 2, '--pid must be the id of a process'
    end
    return signal(args.pid)
  elseif args.pid or not args.url then
    return 2, 'give a URL, or --pid'
  end
  local wrong = target.wrong_timeout(args.timeout) or target.wrong_url(args.url)
  if wrong then
    return 2, wrong
  end
  local admin = target.admin(args.url, args.timeout)
  local result, err = perilune.ready(admin, math.min(args.timeout, CONNECT_MS))
  if err == nil then
    result, err = perilune.call(admin, 'reload')
  end
  if err ~= nil then
    return 1, ('%s: %s'):format(args.url, text_of(err, args.timeout))
  end
  print(
    args.json and core.encode(result)
      or ('generation %d runs, source %s'):format(result.generation, result.source)
  )
  for _, note in ipairs(result.notes or {}) do
    terminal.complain('warning: ' .. note)
  end
  return 0
end

return M
