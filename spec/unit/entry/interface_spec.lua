-- SPDX-License-Identifier: MIT
-- Java types of a service: read from text or tables, checked and given to values.
local values = require 'spec.support.values'

package.loaded['perilune.core'] = package.loaded['perilune.core'] or values
local java_text = require 'perilune.protocol.java_text'
local java_types = require 'perilune.protocol.java_types'

local class_of = values.class_of

local function type_of(text, classes)
  return java_types.compiler(classes or {})(text)
end

describe('a Java interface as text', function()
  local found = java_text.read [[
    package demo; // a comment
    import other.Thing;
    /** Documented. */
    public interface Probe {
      String sayHello(final String name) throws Failed, java.io.IOException;
      void touch();
      @Deprecated java.util.concurrent.CompletableFuture<List<Person>> later(int count, byte[] data);
      Map<String, List<Thing>> all(Set<Long> ids, Object... rest);
    }
    class Person extends Being { private String name = "x"; int age; static int count; private transient String secret; }
    class Being { Person parent; }
    enum Color { RED, GREEN; }
  ]]

  it('gives full names to types', function()
    assert.equal('demo.Probe', found.name)
    local hello, later, all = found.methods.sayHello, found.methods.later, found.methods.all
    assert.same({ 'java.lang.String' }, { unpack(hello) })
    assert.same({ 'name' }, hello.names)
    assert.same({ 'demo.Failed', 'java.io.IOException' }, hello.throws)
    assert.equal('void', found.methods.touch.returns)
    assert.equal('java.util.List<demo.Person>', later.returns)
    assert.same({ 'int', 'byte[]' }, { unpack(later) })
    assert.same({ 'java.util.Set<java.lang.Long>', 'java.lang.Object[]' }, { unpack(all) })
  end)

  it('knows fields, inherited ones too, and constants', function()
    local person = found.classes['demo.Person'].fields
    assert.same({ name = 'java.lang.String', age = 'int', parent = 'demo.Person' }, person)
    assert.same({ 'RED', 'GREEN' }, found.classes['demo.Color'].constants)
  end)

  it('says what it cannot read', function()
    assert.has_error(function()
      java_text.read 'String hello(String name);'
    end)
    assert.has_error(function()
      java_text.read 'interface A { int; }'
    end)
    assert.has_error(function()
      java_text.read 'interface A { int a(); int a(int b); }'
    end)
  end)
end)

describe('a Java type', function()
  it('gives scalars their class', function()
    assert.equal('java.lang.Long', class_of(type_of('long').to(5, {})))
    assert.equal('java.lang.Double', class_of(type_of('java.lang.Double').to(5, {})))
    assert.equal('java.lang.Short', class_of(type_of('short').to(5, {})))
    assert.equal(5, type_of('int').to(5, {}))
    assert.equal('java.util.Date', class_of(type_of('java.util.Date').to(5, {})))
  end)

  it('refuses what it cannot hold', function()
    for text, value in pairs {
      int = 2 ^ 31,
      byte = 128,
      long = 1.5,
      boolean = 1,
      char = 'ab',
      ['java.lang.String'] = 1,
      ['java.util.List<java.lang.String>'] = { 1 },
      ['java.util.Map<java.lang.String, java.lang.Integer>'] = { a = 'b' },
    } do
      local made, wrong = type_of(text).to(value, {})
      assert.is_nil(made)
      assert.matches('wants', wrong, nil, true)
    end
    assert.matches('wants int', type_of('int').check 'x')
    assert.is_nil(type_of('int').check(7))
    assert.is_nil(type_of('java.util.List').check {})
  end)

  it('finds what is wrong deep inside a value that came', function()
    local classes = {
      ['demo.Person'] = { fields = { age = 'int', friends = 'java.util.List<demo.Person>' } },
    }
    local java = require 'perilune.protocol.java'
    local person = values.typed('demo.Person', { age = 1 })
    person.friends =
      { person, values.null, values.typed('demo.Boss', { pay = 'much' }), { age = 3 } }
    local function wrong(text, value)
      return type_of(text, classes).check(value)
    end
    assert.is_nil(wrong('demo.Person', person))
    assert.is_nil(wrong('java.util.List<demo.Person>', { person, person }))
    assert.is_nil(wrong('java.util.Map<java.lang.String, demo.Person>', { a = person }))
    assert.is_nil(wrong('java.util.List', { 1, 'two', {} }))
    assert.is_nil(wrong('double[]', { 1, 2.5 }))
    for text, case in pairs {
      ['java.util.List<java.lang.String>'] = { { 'a', 1 }, '[2]: wants java.lang.String, got 1' },
      ['java.util.Set<java.lang.Integer>'] = {
        { 1, 'b' },
        '[2]: wants java.lang.Integer, got string',
      },
      ['int[]'] = { { 1, values.null }, '[2]: wants int, got null' },
      ['int[][]'] = { { { 1 }, { 1.5 } }, '[2]: [1]: wants int, got 1.5' },
      ['java.util.List<int[]>'] = { { a = 1 }, 'wants java.util.List, got table' },
      ['java.util.Map<java.lang.String, java.lang.Long>'] = {
        { a = true },
        '[a]: wants java.lang.Long',
      },
      ['java.util.Map<java.lang.Integer, java.lang.Object>'] = {
        { a = 1 },
        '[a]: wants java.lang.Integer',
      },
      ['demo.Person'] = {
        { friends = { { age = 'x' } } },
        'friends: [1]: age: wants int, got string',
      },
      ['java.util.Date'] = { java.decimal '1', 'wants java.util.Date, got java.math.BigDecimal' },
      ['java.util.List<demo.Person>'] = {
        { java.date(1) },
        '[1]: wants demo.Person, got java.util.Date',
      },
      ['java.util.Collection<demo.Person>'] = { { { 1, 2 } }, '[1]: wants demo.Person, got table' },
      ['java.lang.Long'] = { java.decimal '1.5', 'wants java.lang.Long, got java.math.BigDecimal' },
      long = { 'seven', 'wants long, got string' },
    } do
      assert.matches(case[2], wrong(text, case[1]) or 'nothing', nil, true)
    end
  end)

  it('names lists, arrays and objects', function()
    assert.equal('[int', class_of(type_of('int[]').to({ 1 }, {})))
    assert.equal('[string', class_of(type_of('java.lang.String[]').to({ 'a' }, {})))
    -- Items have no handle: Java reads plain numbers there.
    local java = require 'perilune.protocol.java'
    local floats = type_of('float[]').to({ 2, 0.5, java.float(1) }, {})
    for i = 1, 3 do
      assert.equal('java.lang.Double', class_of(floats[i]))
    end
    assert.same({ 7, -1 }, { unpack(type_of('short[]').to({ 7, java.short(-1) }, {})) })
    assert.matches('%[2%]: wants short', select(2, type_of('short[]').to({ 1, 40000 }, {})))
    assert.matches('%[1%]: wants float', select(2, type_of('float[]').to({ 'x' }, {})))
    assert.equal('java.lang.Float', class_of(type_of('java.lang.Float[]').to({ 2 }, {})[1]))
    assert.equal('ab', (type_of('char[]').to('ab', {})))
    assert.is_nil(type_of('char[]').check 'ab')
    assert.matches('wants char%[%]', select(2, type_of('char[]').to(7, {})))
    assert.equal(
      'java.util.HashSet',
      class_of(type_of('java.util.Set<java.lang.Object>').to({ 1 }, {}))
    )
    local list = type_of('java.util.List<java.lang.Long>').to({ 1, 2 }, {})
    assert.equal('java.lang.Long', class_of(list[2]))
  end)

  it('types fields and keeps cycles', function()
    local classes = {
      ['demo.Person'] = { fields = { age = 'long', friend = 'demo.Person', color = 'demo.Color' } },
      ['demo.Color'] = { constants = { 'RED' } },
    }
    local person = { age = 1, color = 'RED' }
    person.friend = person
    local made = type_of('demo.Person', classes).to(person, {})
    assert.equal('demo.Person', class_of(made))
    assert.equal('java.lang.Long', class_of(made.age))
    assert.equal('demo.Color', class_of(made.color))
    assert.is_true(rawequal(made, made.friend))
    assert.is_nil(class_of(person))
    local _, wrong = type_of('demo.Person', classes).to({ agee = 1 }, {})
    assert.equal('demo.Person has no field agee', wrong)
    -- As the maps of Dubbo's generic consumers, and what they are given, name it.
    made = type_of('demo.Person', classes).to({ class = 'demo.Person', age = 1 }, {})
    assert.same({ 'demo.Person' }, { class_of(made), made.class })
    local came = { class = 'demo.Person', color = 'RED' }
    made = require('perilune.protocol.java_plain').from(type_of('demo.Person', classes), came)
    assert.same({ 'demo.Person' }, { class_of(made), made.class })
    assert.equal('demo.Color', class_of(made.color))
    _, wrong = type_of('demo.Person', classes).to({ class = 1 }, {})
    assert.equal('demo.Person has no field class', wrong)
    _, wrong = type_of('demo.Person', classes).to({ color = 'BLUE' }, {})
    assert.equal("color: wants a constant of demo.Color (RED), got 'BLUE'", wrong)
  end)
end)
