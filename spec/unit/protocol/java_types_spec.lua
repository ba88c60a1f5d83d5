-- SPDX-License-Identifier: MIT
-- What a plain table becomes where a Java collection is declared.
local values = require 'spec.support.values'

package.loaded['perilune.core'] = package.loaded['perilune.core'] or values
local java_types = require 'perilune.protocol.java_types'

local CONCURRENT = 'java.util.concurrent.'

describe('a declared type', function()
  local compile = java_types.compiler {}

  local function class_of(type, value)
    return values.class_of((compile(type).to(value, {})))
  end

  it('gives a list its class', function()
    for type, class in pairs {
      ['java.util.List<java.lang.String>'] = false,
      ['java.util.Set<java.lang.String>'] = 'java.util.HashSet',
      ['java.util.SortedSet<java.lang.String>'] = 'java.util.TreeSet',
      ['java.util.Queue<java.lang.String>'] = 'java.util.LinkedList',
      ['java.util.Vector<java.lang.String>'] = 'java.util.Vector',
      ['java.util.concurrent.BlockingQueue<java.lang.String>'] = CONCURRENT
        .. 'LinkedBlockingQueue',
    } do
      assert.equal(class or nil, class_of(type, { 'a' }))
    end
  end)

  it('gives a map its class', function()
    for type, class in pairs {
      ['java.util.HashMap<java.lang.String, java.lang.Integer>'] = false,
      ['java.util.TreeMap<java.lang.String, java.lang.Integer>'] = 'java.util.TreeMap',
      ['java.util.SortedMap<java.lang.String, java.lang.Integer>'] = 'java.util.TreeMap',
      ['java.util.Hashtable<java.lang.String, java.lang.Integer>'] = 'java.util.Hashtable',
      ['java.util.concurrent.ConcurrentMap<java.lang.String, int>'] = CONCURRENT
        .. 'ConcurrentHashMap',
    } do
      assert.equal(class or nil, class_of(type, { a = 1 }))
    end
  end)

  it('refuses what is none of it', function()
    local _, wrong = compile('java.util.Queue<java.lang.Integer>').to({ 'x' }, {})
    assert.matches('%[1%]', wrong)
  end)
end)
