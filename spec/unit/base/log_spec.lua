-- SPDX-License-Identifier: MIT
jit.off(true, true)
local ffi = require 'ffi'
local c = require 'spec.support.c'
local t = require 'spec.support.transport'

local lib = c.cdef('base/log.h')

describe('base/log', function()
  local path, file

  before_each(function()
    lib.peri_test_clock(true)
    path = os.tmpname()
    file = assert(io.open(path, 'w'))
    pcall(ffi.cdef, 'int fileno(FILE *file);')
  end)

  after_each(function()
    lib.peri_log_stop()
    lib.peri_test_clock(false)
    file:close()
    os.remove(path)
  end)

  local function start(json, per_tag)
    assert.equal(0, lib.peri_log_start(ffi.C.fileno(file), json, per_tag or 0))
  end

  local function log(level, tag, text, fields)
    lib.peri_log_fields(level, tag, text, #text, fields, fields and #fields or 0)
  end

  -- Ends the log and returns its lines.
  local function lines()
    lib.peri_log_stop()
    local all = {}
    for line in io.lines(path) do
      all[#all + 1] = line
    end
    return all
  end

  it('writes text', function()
    start(false)
    local fields = '"ms":3,"peer":"x y","list":[1,{"a":2}],"ok":true'
    log(lib.PERI_LOG_WARN, 'CHANNEL-RESET', 'gone', fields)
    lib.peri_log_write(lib.PERI_LOG_ERROR, 'X-Y', '%s is %d', 'seven', ffi.new('int', 7))
    assert.same({
      '2026-01-02T03:04:05.678Z WARN CHANNEL-RESET gone ms=3 peer="x y" list=[1,{"a":2}] ok=true',
      '2026-01-02T03:04:05.678Z ERROR X-Y seven is 7',
    }, lines())
  end)

  it('writes JSON, one object a line', function()
    start(true)
    log(lib.PERI_LOG_INFO, 'CALL', 'say "hi"\\\n', '"ms":3')
    assert.same({
      '{"time":"2026-01-02T03:04:05.678Z","level":"info","tag":"CALL",'
        .. '"text":"say \\"hi\\"\\\\\\n","ms":3}',
    }, lines())
  end)

  it('escapes what could move a cursor, forge a line or break the encoding', function()
    start(false)
    log(lib.PERI_LOG_WARN, 'T', 'a\nb\r\27[2J\0c\127 \194\155 \255 \224\128\128 moon \226\152\190')
    assert.same({
      '2026-01-02T03:04:05.678Z WARN T '
        .. 'a\\nb\\r\\x1b[2J\\x00c\\x7f \\x9b \\xff \\xe0\\x80\\x80 moon \226\152\190',
    }, lines())
  end)

  it('makes valid JSON of any bytes', function()
    start(true)
    log(lib.PERI_LOG_WARN, 'T', '\255\1\237\160\128"')
    assert.matches('"text":"\\ufffd\\u0001\\ufffd\\ufffd\\ufffd\\""}', lines()[1], 1, true)
  end)

  it('limits each tag by the second and says how many it held back', function()
    start(false, 3)
    local before = tonumber(lib.peri_log_suppressed())
    for i = 1, 10 do
      log(lib.PERI_LOG_WARN, 'NOISY', 'line ' .. i)
    end
    log(lib.PERI_LOG_WARN, 'QUIET', 'heard')
    t.lib.peri_test_clock_advance(1000)
    log(lib.PERI_LOG_WARN, 'NOISY', 'again')
    local texts = {}
    for i, line in ipairs(lines()) do
      texts[i] = line:match('WARN (.*)')
    end
    assert.same({
      'NOISY line 1',
      'NOISY line 2',
      'NOISY line 3',
      'QUIET heard',
      'NOISY suppressed 7',
      'NOISY again',
    }, texts)
    assert.equal(before + 7, tonumber(lib.peri_log_suppressed()))
  end)

  it('reports at its end what it held back', function()
    start(false, 1)
    log(lib.PERI_LOG_WARN, 'LAST', 'one')
    log(lib.PERI_LOG_WARN, 'LAST', 'two')
    assert.matches('LAST suppressed 1$', lines()[2])
  end)

  it('loses no line of many, or counts it', function()
    start(false)
    local before = tonumber(lib.peri_log_dropped())
    for i = 1, 20000 do
      log(lib.PERI_LOG_INFO, 'MANY', tostring(i))
    end
    local written = #lines()
    assert.equal(20000, written + tonumber(lib.peri_log_dropped()) - before)
  end)

  it('waits for nobody who does not read, and starts again after that', function()
    local ends = ffi.new 'int[2]'
    t.loop() -- ignores SIGPIPE
    assert.equal(0, lib.peri_test_socketpair(1, ends)) -- AF_UNIX
    local before = tonumber(lib.peri_log_dropped())
    assert.equal(0, lib.peri_log_start(ends[0], false, 0))
    for _ = 1, 1000 do
      log(lib.PERI_LOG_INFO, 'MANY', ('x'):rep(8000))
    end
    lib.peri_log_stop()
    assert.is_true(tonumber(lib.peri_log_dropped()) - before > 0)
    ffi.C.close(ends[1]) -- ends the line that is still being written; its end stays open for that
    start(false)
    log(lib.PERI_LOG_INFO, 'A', 'again')
    assert.equal(1, #lines())
    t.fini()
  end)

  it('starts again after it stopped', function()
    start(false)
    log(lib.PERI_LOG_INFO, 'A', 'first')
    lib.peri_log_stop()
    start(true)
    log(lib.PERI_LOG_INFO, 'A', 'second')
    assert.equal(2, #lines())
  end)
end)
