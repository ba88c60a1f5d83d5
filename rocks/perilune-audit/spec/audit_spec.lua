-- SPDX-License-Identifier: MIT
local perilune = require 'perilune'
local policy = require 'perilune.policy'
local plugin = require 'perilune.entry.filter.audit'
local schema = require 'perilune.schema'
local testing = require 'perilune.testing'

local info, lines

-- Runs one call through the filter and returns what was written.
local function audit(settings, args, next)
  local filter = plugin.new(assert(schema.apply(plugin.schema, settings)))
  local ctx = { peer = '203.0.113.7:1', identity = 'ann' }
  local call = { interface = 'demo.Bank', method = 'pay', args = args }
  pcall(filter, ctx, call, next or function() end)
  return lines[#lines]
end

describe('filter audit', function()
  before_each(function()
    info, lines = policy.log.info, {}
    policy.log.info = function(_, fields, tag)
      fields.tag = tag
      table.insert(lines, fields)
    end
  end)
  after_each(function()
    policy.log.info = info
  end)

  it('says who asked for what and how it ended', function()
    local line = audit({}, { 'bob', 12 })
    assert.equal('AUDIT', line.tag)
    assert.equal(
      'demo.Bank pay ann 203.0.113.7:1 OK',
      table.concat({
        line.service,
        line.method,
        line.identity,
        line.peer,
        line.code,
      }, ' ')
    )
    assert.same({ ['1'] = 'bob', ['2'] = 12 }, line.args)
    line = audit({}, {}, function()
      return nil, perilune.error('NOT_FOUND', 'nobody')
    end)
    assert.equal('NOT_FOUND', line.code)
    assert.equal('UNKNOWN', audit({}, {}, error).code)
  end)

  it('masks what must not be written, at any depth', function()
    local line = audit({ redact = { 'card' } }, {
      { Card = '4711', of = { { card = '0815', name = 'ann' } }, ['.token'] = 'x' },
    })
    assert.same({
      Card = '***',
      of = { ['1'] = { card = '***', name = 'ann' } },
      ['.token'] = '***',
    }, line.args['1'])
  end)

  it('cuts what is long, between characters, and what is deep', function()
    local args = { ('x'):rep(9) .. '\195\164\195\164', {} }
    local deep = args[2]
    for _ = 1, 20 do
      deep.down = {}
      deep = deep.down
    end
    local line = audit({ longest = 10 }, args)
    assert.equal(('x'):rep(9) .. '... (13 bytes)', line.args['1'])
    local count = 0
    local at = line.args['2']
    while type(at) == 'table' do
      at, count = at.down, count + 1
    end
    assert.equal('...', at)
    assert.is_true(count < 10)
    local many = {}
    for i = 1, 100 do
      many[i] = i
    end
    line = audit({ most = 5 }, many)
    assert.is_true(line.args['...'])
  end)

  it('ends with arguments that are the same table many times over', function()
    local list = { 'leaf' }
    for _ = 1, 7 do
      local wider = {}
      for i = 1, 30 do
        wider[i] = list
      end
      list = wider
    end
    local line = audit({}, { list, 'last' })
    assert.equal('ann', line.identity)
    assert.equal('table', type(line.args['1']))
  end)

  it('leaves out methods and arguments where asked', function()
    assert.is_nil(audit({ skip = { 'PAY' } }, {}))
    assert.is_nil(audit({ args = false }, { 1 }).args)
  end)

  it('is found by its name', function()
    perilune.export {
      interface = 'spec.Audit',
      service = {
        echo = function(_, text)
          return text
        end,
      },
      filters = { { 'audit', redact = { 'card' } } },
    }
    local url = testing.listen():gsub('^tcp', 'joyrpc')
    local echo = perilune.refer { interface = 'spec.Audit', url = url }
    assert.same({ card = 1 }, perilune.check(echo:echo { card = 1 }))
    assert.same({ card = '***' }, lines[#lines].args['1'])
  end)
end)
