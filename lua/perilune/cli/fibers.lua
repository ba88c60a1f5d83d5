-- SPDX-License-Identifier: MIT
local core = require 'perilune.core'
local listening = require 'perilune.process.listening'
local perilune = require 'perilune'
local target = require 'perilune.cli.target'
local terminal = require 'perilune.cli.terminal'

local M = { summary = 'Show what every parked coroutine of a process waits for.' }

function M.describe(parser)
  parser:argument('url', 'Where, such as joyrpc://127.0.0.1:22000.'):args '?'
  parser
    :option('--pid', 'This process, by an address it listens on.')
    :argname('<pid>')
    :convert(tonumber)
  parser
    :option('--most', 'Coroutines of each thread that are shown.', '100')
    :argname('<count>')
    :convert(tonumber)
  parser:option('--timeout', 'Deadline in ms.', '5000'):argname '<ms>':convert(tonumber)
  parser:flag('--json', 'As one JSON object.')
end

local function age(ms)
  return ms < 10000 and ('%.0f ms'):format(ms) or ('%.0f s'):format(ms / 1000)
end

local function show_one(fiber)
  local words = { fiber.waits_for, 'for ' .. age(fiber.since_ms) }
  if fiber.call then
    words[#words + 1] = 'in ' .. fiber.call
  end
  if fiber.deadline_ms then
    words[#words + 1] = age(fiber.deadline_ms) .. ' to its deadline'
  end
  if fiber.generation > 0 then
    words[#words + 1] = ('generation %d'):format(fiber.generation)
  end
  if fiber.cancelled then
    words[#words + 1] = 'cancelled: ' .. fiber.cancelled
  end
  print(('  %s'):format(terminal.printable(table.concat(words, ', '))))
  for line in (fiber.traceback .. '\n'):gmatch '([^\n]*)\n' do
    print('      ' .. terminal.printable(line))
  end
end

local function show(answer)
  for _, vm in ipairs(answer.vms) do
    print(('%s: %d parked'):format(vm.vm, vm.total))
    for _, fiber in ipairs(vm.fibers) do
      show_one(fiber)
    end
    if #vm.fibers < vm.total then
      print(('  ... and %d more (--most)'):format(vm.total - #vm.fibers))
    end
  end
  for _, name in ipairs(answer.missing) do
    print(('%s: computes, it did not answer'):format(name))
  end
end

-- The address that the arguments mean; or nil, one line and the exit code.
local function where(args)
  if args.url and args.pid or not (args.url or args.pid) then
    return nil, 'give a URL, or --pid', 2
  elseif not args.most or args.most % 1 ~= 0 or args.most < 1 then
    return nil, '--most must be a whole number, at least 1', 2
  end
  local wrong = target.wrong_timeout(args.timeout)
  if wrong then
    return nil, wrong, 2
  elseif args.pid then
    if args.pid < 2 or args.pid % 1 ~= 0 then
      return nil, '--pid must be the id of a process', 2
    end
    local url, message = listening.url_of(args.pid)
    return url, message, 1
  end
  wrong = target.wrong_url(args.url)
  return not wrong and args.url or nil, wrong, 2
end

---@async
function M.run(args)
  local url, wrong, code = where(args)
  if not url then
    return code, wrong
  end
  local admin = target.admin(url, args.timeout)
  local answer, err = perilune.call(admin, 'fibers', args.most)
  if err ~= nil then
    return 1, ('%s: %s'):format(url, tostring(err))
  end
  if args.json then
    print(core.encode(answer))
  else
    show(answer)
  end
  return 0
end

return M
