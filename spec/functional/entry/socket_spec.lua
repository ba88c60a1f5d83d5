-- SPDX-License-Identifier: MIT
-- Plain connections of scripts. The server is redis, which answers to lines.
local app = require 'spec.support.app'
local child = require 'spec.support.child'

local redis, socket

-- Runs the text in perilune.main, with `connect()` to the server; returns what it printed.
local function run(text)
  local process = app.start(([[
    local function connect() return assert(perilune.connect('unix://%s', { timeout = 2000 })) end
    perilune.main(function()
      %s
    end)
  ]]):format(socket, text))
  local exit = process:wait()
  assert.equal(0, exit.code, process.output)
  return process.output
end

describe('perilune.connect', function()
  setup(function()
    socket = app.script('', 'none') .. '.redis'
    redis = child.start { 'redis-server', '--port', '0', '--unixsocket', socket, '--save', '' }
    redis:wait_line 'ready to accept connections'
  end)
  teardown(function()
    redis:stop()
    app.stop_all()
  end)

  it('reads lines, counted bytes and whatever comes', function()
    assert.equal(
      '+PONG\t$5\thello\t\r\n\t:1\r\n\n',
      run [[
        local server = connect()
        server:write 'PING\r\nSET a hello\r\nGET a\r\n'
        local pong = server:read_line()
        assert(server:read_line() == '+OK')
        local head, body, tail = server:read_line(), server:read(5), server:read(2)
        server:write 'EXISTS a\r\n'
        print(pong, head, body, tail, (server:read()))
        server:close()
      ]]
    )
  end)

  it('holds back a peer that sends ahead, and loses nothing', function()
    assert.equal(
      'true\n',
      run [[
        local server = connect()
        local size = 3 * 2 ^ 20
        server:write(('SETRANGE big %d x\r\n'):format(size - 1))
        server:read_line()
        server:write(('GET big\r\n'):rep(4))
        local total = 0
        for _ = 1, 4 do
          assert(server:read_line() == '$' .. size)
          total = total + #server:read(size + 2)
          perilune.sleep(1)
        end
        server:close()
        print(total == 4 * (size + 2))
      ]]
    )
  end)

  it('reads many small things out of much that is there, each once', function()
    assert.equal(
      'true\tfalse\n',
      run [[
        local server = connect()
        server:write 'DEL list\r\n'
        assert(server:read_line())
        local numbers = {}
        for i = 1, 30000 do numbers[i] = ('%08d'):format(i) end
        for i = 1, 30000, 1000 do
          server:write('RPUSH list ' .. table.concat(numbers, ' ', i, i + 999) .. '\r\n')
          assert(server:read_line())
        end
        server:write 'LRANGE list 0 -1\r\n'
        local same = server:read_line() == '*30000'
        for i = 1, 30000 do
          same = same and server:read_line() == '$8' and server:read(8) == numbers[i]
            and (i % 2 == 0 and server:read(2) == '\r\n' or server:read_line() == '')
        end
        print(same, (pcall(server.read, server, -1)))
        server:close()
      ]]
    )
  end)

  it('tells why there is nothing to read', function()
    assert.equal(
      'TIMEOUT\nCLOSED\nfalse\nCLOSED\n',
      run [[
        local server = connect()
        print(select(2, server:read(1, 20)).code)
        server:write 'QUIT\r\n'
        assert(server:read_line() == '+OK')
        print(select(2, server:read_line()).code)
        print(server:write 'PING\r\n')
        local other = connect()
        perilune.spawn(function() perilune.sleep(0) other:close() end)
        print(select(2, other:read(1)).code)
      ]]
    )
  end)

  it('tells why there is no connection', function()
    local output = run [[
      print(select(2, perilune.connect 'tcp://127.0.0.1:1'))
      print(select(2, perilune.connect 'unix:///nowhere/at/all'))
      print(select(2, perilune.connect 'gopher://127.0.0.1:70'))
    ]]
    assert.matches('^%u+: .-127%.0%.0%.1:1.-\n%u+: .-/nowhere/at/all.-\nCONFIG: .-gopher', output)
  end)

  it('refuses a line without an end, and a second reader', function()
    local output = run [[
      local server = connect()
      server:write(('SETRANGE long 80000 x\r\nGETRANGE long 0 -1\r\n'))
      server:read_line() server:read_line()
      print(select(2, server:read_line()).code)
      local quiet = connect()
      perilune.spawn(function() quiet:read(1) end)
      perilune.sleep(1)
      print(pcall(quiet.read, quiet, 1))
      quiet:close()
      server:close()
    ]]
    assert.matches('^TOO_BIG\nfalse.-another fiber reads from this socket\n', output)
  end)
end)
