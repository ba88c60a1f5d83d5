-- SPDX-License-Identifier: MIT
local core = require 'perilune.core'
local exit = require 'perilune.exit'
local perilune = require 'perilune'
local target = require 'perilune.cli.target'
local terminal = require 'perilune.cli.terminal'

local M = { summary = 'Type Lua that may wait, here or in a running process.' }

local PROMPT, MORE = '> ', '.. '

function M.describe(parser)
  parser:option('--attach', 'A process on this machine, of this user.'):argname '<url>'
  parser
    :option('--worker', 'Which of its VMs: 0 = control, then workers, then executors (default: 1).')
    :argname('<number>')
    :convert(tonumber)
  parser:flag('--write', 'Allow calls and assignments there; without it only look.')
  parser
    :option('--timeout', 'Deadline there in ms (default: 10000).')
    :argname('<ms>')
    :convert(tonumber)
  parser:epilog 'Without a terminal, statements are read from the standard input.'
end

-- ── who evaluates ───────────────────────────────────────────────────────────────────────────────

local function own()
  local evaluator = require('perilune.process.evaluate').new(function(text)
    io.stdout:write(text, '\n')
  end)
  return {
    run = function(text)
      return evaluator:run(text)
    end,
    complete = function(before)
      return evaluator:complete(before)
    end,
  }
end

---@async
local function attached(args)
  local admin = target.admin(args.attach, args.timeout)
  local function ask(request)
    request.worker, request.write = args.worker, args.write or false
    return perilune.call(admin, 'attach', request)
  end
  -- Before anything is typed: is it there, has it this VM, and may we?
  local _, wrong = ask { complete = '' }
  if wrong then
    return nil, ('%s: %s'):format(args.attach, tostring(wrong))
  end
  return {
    run = function(text)
      local answer, err = ask { text = text }
      if err then
        return nil, tostring(err)
      elseif answer.printed and answer.printed ~= '' then
        io.stdout:write(answer.printed, '\n')
      end
      return answer.text, answer.message
    end,
    complete = function(before)
      local answer = ask { complete = before }
      return answer and answer.words or {}, answer and answer.part or ''
    end,
  }
end

-- ── without a terminal ──────────────────────────────────────────────────────────────────────────

local function say(text, message)
  if text and text ~= '' then
    io.stdout:write(text, '\n')
  elseif message then
    io.stdout:flush()
    io.stderr:write(message, '\n')
  end
  io.stdout:flush()
  return message == nil
end

local function from_pipe(evaluator, keyboard)
  local well, text, rest = true, nil, ''
  local function line(one)
    text = text and text .. '\n' .. one or one
    if not text:match '%S' then
      text = nil
      return
    end
    local result, message = evaluator.run(text)
    if message ~= 'incomplete' then
      well, text = say(result, message) and well, nil
    end
  end
  while true do
    local bytes = keyboard.read()
    rest = rest .. (bytes or (rest ~= '' and '\n' or ''))
    for one in rest:gmatch '([^\n]*)\n' do
      line(one)
    end
    rest = rest:match '[^\n]*$'
    if not bytes then
      break
    end
  end
  if text then
    well = say(nil, 'the last statement is not complete')
  end
  return well and 0 or 1
end

-- ── at a terminal ───────────────────────────────────────────────────────────────────────────────

-- Runs the text beside the keyboard, so that Ctrl-C ends what it waits for. What is typed meanwhile
-- stays for the next line.
local function interruptible(evaluator, keyboard, text)
  local future = perilune.async(function()
    return { evaluator.run(text) }
  end)
  local typed, ended = '', false
  while not future:ready() do
    local bytes = keyboard.try()
    ended = ended or bytes == nil
    if bytes and bytes:find('\3', 1, true) then
      future:cancel()
      typed = ''
    else
      typed = typed .. (bytes or '')
    end
    core.sleep(future:ready() and 0 or 5)
  end
  local answer, err = future:await()
  if err then
    return typed, nil, err.code == 'CANCELLED' and 'interrupted' or tostring(err)
  end
  return typed, answer[1], answer[2]
end

local function show_words(words)
  local shown = {}
  for i = 1, math.min(#words, 60) do
    shown[i] = words[i]
  end
  shown[#shown + 1] = #words > 60 and ('... %d more'):format(#words - 60) or nil
  io.stdout:write('\r\n', table.concat(shown, '  '), '\n')
end

local function at_terminal(evaluator, keyboard, editor)
  local text
  local typed = ''
  local function draw()
    io.stdout:write(editor:render(text and MORE or PROMPT, keyboard.width()))
    io.stdout:flush()
  end
  local function line(one)
    draw() -- what came in one go, as a paste does, was not seen yet
    io.stdout:write '\n'
    text = text and text .. '\n' .. one or one
    if not text:match '%S' then
      text = nil
      return editor:reset()
    end
    local result, message
    typed, result, message = interruptible(evaluator, keyboard, text)
    if message == 'incomplete' then
      return editor:reset()
    end
    editor:reset(text)
    text = nil
    say(result, message and terminal.color('red', message))
  end
  local acts = {
    line = line,
    words = show_words,
    interrupt = function()
      io.stdout:write '^C\n'
      text = nil
      editor:reset()
    end,
    clear = function()
      io.stdout:write '\27[H\27[2J'
    end,
  }
  draw()
  while true do
    local event, value = editor:feed(typed)
    typed = ''
    if event == 'eof' then
      break
    elseif event then
      acts[event](value)
      draw()
    else
      draw()
      typed = keyboard.read()
      if not typed then
        break
      end
    end
  end
  io.stdout:write '\n'
  return 0
end

---@async
function M.run(args)
  for _, name in ipairs { 'write', 'worker', 'timeout' } do
    if args[name] and not args.attach then
      return 2, ('--%s is for --attach'):format(name)
    end
  end
  args.worker, args.timeout = args.worker or 1, args.timeout or 10000
  local wrong = args.attach
    and (target.wrong_timeout(args.timeout) or target.wrong_url(args.attach))
  if wrong then
    return 2, wrong
  end
  local keyboard = require 'perilune.cli.keyboard'
  local evaluator, message
  if args.attach then
    evaluator, message = attached(args)
  else
    evaluator = own()
  end
  if not evaluator then
    return 1, message
  end
  if not (core.is_terminal(0) and core.is_terminal(1)) then
    return from_pipe(evaluator, keyboard)
  end
  local history = require 'perilune.cli.history'
  local entries = history.load()
  local editor = require('perilune.cli.editor').new(entries, evaluator.complete)
  print(('perilune %s; Ctrl-D ends, Tab completes'):format(core.version))
  local restore = keyboard.open()
  function exit.leave(number)
    restore()
    history.save(entries)
    core.end_now(number)
  end
  local ok, code = xpcall(at_terminal, debug.traceback, evaluator, keyboard, editor)
  restore()
  history.save(entries)
  if not ok then
    error(code, 0)
  end
  return code
end

return M
