-- SPDX-License-Identifier: MIT
-- `perilune repl`: here, attached to a running process, and at a terminal.
local app = require 'spec.support.app'
local child = require 'spec.support.child'

local SERVICE = [[
local core = require 'perilune.core'
package.loaded['app.state'] = { users = { 'ann', 'bob' } }
perilune.export { interface = 'demo.R', executor = 'pool', service = {
  hello = function(_, name) return 'hello ' .. name end,
  fail = function() return nil, perilune.error('NOT_FOUND', 'nobody') end,
} }
perilune.listen 'tcp://127.0.0.1:0'
]]

local function quoted(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function repl(input, ...)
  local words = {}
  for i, word in ipairs { child.binary(), 'repl', ... } do
    words[i] = quoted(word)
  end
  local line = ('printf %%s %s | %s'):format(quoted(input), table.concat(words, ' '))
  return child.run { 'sh', '-c', line }
end

local function gives(expected, input, ...)
  local exit = repl(input, ...)
  assert.equal(expected, exit.output)
  assert.equal(0, exit.code)
end

describe('perilune repl', function()
  after_each(app.stop_all)

  it('prints what expressions give, readably', function()
    gives("3\n'a\\nb'\nnil\ntrue\n", '1 + 2\n"a\\nb"\nnil\n= true\n')
    gives('{ 1, 2, { 3 } }\n', '{1,2,{3}}\n')
    gives('function: built in\n', 'string.len\n')
    gives("{\n  a = 1,\n  ['b c'] = {}\n}\n", '{a=1,["b c"]={}}\n')
    gives('{\n  me = { ... itself }\n}\n', 't = {} t.me = t\nt\n')
    gives("5\n'q'\n", 'return 5, "q"')
  end)

  it('keeps globals, goes on over lines and takes statements', function()
    gives('1\n2\n9\n', 'x = 3\nfor i = 1, 2 do\n  print(i)\nend\n\nx *\nx\n')
  end)

  it('goes on after an error and says so in the end', function()
    local exit = repl 'nothing.x\n1 +* 2\n7\n'
    assert.equal(1, exit.code)
    assert.matches('\n?7\n', exit.output)
    assert.matches("attempt to index global 'nothing'", exit.output)
    assert.matches('line 1: unexpected symbol near', exit.output)
    assert.equal(1, repl('for i = 1, 2 do\n').code)
    assert.equal(2, repl('', '--write').code)
    assert.equal(2, repl('', '--attach', 'moon').code)
  end)

  it('waits for calls', function()
    local server = app.serve(SERVICE, { args = { '--workers', '1', '--executors', '1' } })
    local refer = ("r = perilune.refer { interface = 'demo.R', url = '%s' }\n"):format(server.url)
    gives("'hello moon'\n", refer .. "r:hello 'moon'\n")
    local exit = repl(refer .. 'r:fail()\n')
    assert.equal(1, exit.code)
    assert.matches('NOT_FOUND: nobody', exit.output)
  end)

  it('looks into a running process and changes it only when told', function()
    local server = app.serve(SERVICE, { args = { '--workers', '1', '--executors', '1' } })
    local function there(expected, input, ...)
      gives(expected, input, '--attach', server.url, ...)
    end
    there(
      "'bob'\n2\n'demo.R'\n",
      "loaded['app.state'].users[2]\n#loaded['app.state'].users\n" .. 'exports[1].interface\n'
    )
    for _, input in ipairs {
      'x = 1',
      'perilune.sleep(1)',
      "loaded['app.state'].users[1] = 2",
      'while true do end',
      'function() end',
      '(function() end)()',
      '{ [metrics] = 1 }',
    } do
      local exit = repl(input .. '\n', '--attach', server.url)
      assert.equal(1, exit.code, input)
      assert.is_nil(exit.output:match 'TIMEOUT', input)
    end
    there("5\n10\n'worker'\n", 'x = 5\nprint(x)\nx * 2\nrequire("perilune.core").role\n', '--write')
    there(
      "'executor'\n",
      'perilune.sleep(1) return require("perilune.core").role\n',
      '--write',
      '--worker',
      '2'
    )
    server:wait_line 'runs in executor 2: perilune.sleep'
    local exit = repl('', '--attach', server.url, '--worker', '7')
    assert.equal(1, exit.code)
    assert.matches('perilune: repl: .-there is no VM 7; they are 0 to 2', exit.output)
    exit = repl('', '--attach', 'joyrpc://127.0.0.1:1', '--timeout', '300')
    assert.equal(1, exit.code)
    assert.matches('perilune: repl: joyrpc://127.0.0.1:1: .-is the provider running', exit.output)
    exit = repl('perilune.sleep(60000)\n', '--attach', server.url, '--write', '--timeout', '300')
    assert.equal(1, exit.code)
    assert.matches('TIMEOUT', exit.output)
  end)

  it('lets in nobody but the user of the process', function()
    if
      os.execute 'test "$(id -u)" = 0 && id nobody >/dev/null 2>&1 && which su >/dev/null' ~= 0
    then
      return pending 'needs root to become somebody else'
    end
    local server = app.serve(SERVICE, { args = { '--workers', '1' } })
    local line = ("echo 1 | su nobody -s /bin/sh -c '%s repl --attach %s'"):format(
      child.binary(),
      server.url
    )
    local exit = child.run { 'sh', '-c', line }
    if exit.output:find('Permission denied', 1, true) then
      return pending 'nobody may not run this binary'
    end
    assert.equal(1, exit.code)
    assert.matches('FORBIDDEN: attaching is for the user of the process only', exit.output)
  end)

  it('edits, completes, goes on over lines and remembers at a terminal', function()
    if os.execute 'command -v script >/dev/null' ~= 0 then
      pending 'script (bsdutils) is not installed'
    end
    local folder = app.script('', 'none'):match '^(.*)/'
    local env = { XDG_STATE_HOME = folder, TERM = 'xterm' }
    local processes = {}
    finally(function()
      for _, process in ipairs(processes) do
        process:stop()
      end
    end)
    local function start()
      local command = quoted(child.binary()) .. ' repl'
      local process = child.start({ 'script', '-qec', command, '/dev/null' }, {
        env = env,
        input = true,
      })
      processes[#processes + 1] = process
      process:wait_line '\r> '
      return process
    end
    local process = start()
    -- In one go, as a paste: what was typed is seen, then what it gives.
    process:write '40 + 2\rfor i = 7, 8 do\rprint(i)\rend\r'
    process:wait_line '> 40 %+ 2.-\n42\r?\n'
    process:wait_line '%.%. end.-\n7\r?\n8\r?\n'
    process:write 'perilune.sle\t'
    process:wait_line '> perilune%.sleep\27'
    process:write '(100000)\21'
    process:write 'list = { { first = 1 } }\rlist[1].f\t\r'
    process:wait_line '> list%[1%]%.first\27.-\n1\r?\n'
    process:write 'metrics.perilune_turn\t > 0\r'
    process:wait_line '> metrics%.perilune_turns > 0\27.-\ntrue\r?\n'
    process:write 'f().f\t'
    process:wait_line '> f%(%)%.f\27' -- nothing is offered, nothing is called
    process:write '\21perilune.sleep(100000)\r'
    process:wait_line 'sleep%(100000%).-\n'
    process:write '\3'
    process:wait_line 'interrupted'
    process:write '\4'
    assert.equal(0, process:wait().code)
    process = start()
    process:write(('\27[A'):rep(5))
    process:wait_line '> for i = 7, 8 do%?print'
    process:write '\r\4'
    process:wait_line '\n7\r?\n8\r?\n'
    assert.equal(0, process:wait().code)
  end)

  it('leaves the terminal as it was, also by os.exit', function()
    if os.execute 'command -v script >/dev/null' ~= 0 then
      pending 'script (bsdutils) is not installed'
    end
    local command = quoted(child.binary()) .. ' repl; echo "code $?"; stty -a'
    local process = child.start({ 'script', '-qec', command, '/dev/null' }, {
      env = { XDG_STATE_HOME = app.script('', 'none'):match '^(.*)/', TERM = 'xterm' },
      input = true,
    })
    finally(function()
      process:stop()
    end)
    process:wait_line '\r> '
    process:write 'os.exit(5)\r'
    process:wait_line 'code 5'
    assert.equal('', process:wait_line '[ ;](%-?)icanon')
    assert.equal('', process:wait_line ' (%-?)echo ')
  end)
end)
