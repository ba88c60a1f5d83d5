-- SPDX-License-Identifier: MIT
-- Java's files as they are pasted: what is read of them, and what is passed over.
local values = require 'spec.support.values'

package.loaded['perilune.core'] = package.loaded['perilune.core'] or values
local java_text = require 'perilune.protocol.java_text'
local java_types = require 'perilune.protocol.java_types'

local class_of = values.class_of

local function read(text)
  return java_text.read('package demo; ' .. text)
end

local function types_of(method)
  return { unpack(method) }
end

describe('java_text', function()
  it('passes over what does not travel', function()
    local found = java_text.read [[
      /* interface Old { void no(); } */
      package demo;
      import java.util.*;
      import static demo.Other.*;
      @interface Marked { String value() default "a;b"; }
      @Service(value = "http://x.y/z", names = { "(", "{" })
      public interface Orders extends java.io.Closeable {
        int MAX = 5;
        String NAME = "a(b); }";
        char QUOTE = '"', BRACE = '}';
        @Doc("a; (b) { c") void save(@NotNull @Size(min = 1, max = (3)) final Order order);
        default String hi(int... n) { if (n.length < 2 && n[0] > 1) { return "x;y }"; } return ""; }
        static int count() { return 1; }
        private void hidden() { }
        // void gone();
      }
      public final class Order implements java.io.Serializable, Comparable<Order> {
        private static final long serialVersionUID = 1L;
        private transient Object cache;
        static { System.out.println("};"); }
        { total = 1; }
        private int id = 1, parts[] = { 1, 2 };
        protected List<String> tags = new ArrayList<String>(Arrays.asList("a", "b")), more;
        Map<String, Integer> counts = new HashMap<>();
        Comparator<Order> by = (a, b) -> a.id < b.id ? 1 : -1;
        String text = """
          a "quoted" ; block }
          """;
        public Order() { }
        public Order(int id) { this.id = id; }
        public int getId() { return id; }
        @Override public String toString() { return "Order{" + id + "}"; }
        abstract <T extends Number & Cloneable> List<T> all(T one) throws Exception;
      }
    ]]
    assert.equal('demo.Orders', found.name)
    local names = {}
    for name in pairs(found.methods) do
      names[#names + 1] = name
    end
    table.sort(names)
    assert.same({ 'hi', 'save' }, names)
    assert.same({ 'demo.Order' }, types_of(found.methods.save))
    assert.same({ 'order' }, found.methods.save.names)
    assert.same({ 'int[]' }, types_of(found.methods.hi))
    local order = found.classes['demo.Order']
    assert.same({ 'id', 'parts', 'tags', 'more', 'counts', 'by', 'text' }, order.order)
    assert.equal('int[]', order.fields.parts)
    assert.equal('java.util.List<java.lang.String>', order.fields.more)
  end)

  it('reads enums with arguments and bodies, and records', function()
    local found = read [[
      interface Paints { void paint(Color color, Point point); }
      public enum Color implements Named {
        @Deprecated RED("r", 1), GREEN("g", 2) { @Override int f() { return 1; } }, BLUE,;
        private final String code;
        Color(String code, int n) { this.code = code; }
      }
      record Point(@Min(0) int x, List<String> names) implements Named {
        Point { if (x < 0) throw new IllegalArgumentException(); }
        static Point zero() { return new Point(0, null); }
      }
    ]]
    assert.same({ 'RED', 'GREEN', 'BLUE' }, found.classes['demo.Color'].constants)
    local point = found.classes['demo.Point']
    assert.same({ 'x', 'names' }, point.order)
    assert.equal('java.util.List<java.lang.String>', point.fields.names)
  end)

  it('names nested types as Java does', function()
    local found = read [[
      interface Shop {
        void buy(Item item, Box.Lid lid, Map.Entry<String, Item.Kind> entry, other.Thing.Part part);
        class Item { Kind kind; enum Kind { OLD, NEW } }
      }
      class Box { Lid lid; static class Lid { int size; } }
    ]]
    assert.same({
      'demo.Shop$Item',
      'demo.Box$Lid',
      'java.util.Map$Entry<java.lang.String, demo.Shop$Item$Kind>',
      'other.Thing.Part',
    }, types_of(found.methods.buy))
    assert.equal('demo.Shop$Item$Kind', found.classes['demo.Shop$Item'].fields.kind)
    assert.same({ 'OLD', 'NEW' }, found.classes['demo.Shop$Item$Kind'].constants)
    assert.equal('demo.Box$Lid', found.classes['demo.Box'].fields.lid)
  end)

  it('takes type parameters for what they stand for', function()
    local found = read [[
      interface Users extends Store<User, Long> {
        <T> T echo(T value);
        <K extends Comparable<K>, V extends Number> Map<K, V> map(K[] keys, V value);
        Page<User> all(Page<? extends User> page);
      }
      interface Store<T, K> { T get(K key); void put(T value); }
      class Page<T> { List<T> items; T first; int total; Page<T> next; }
      abstract class Entity<K> { K id; }
      class User extends Entity<Long> { String name; }
    ]]
    local methods = found.methods
    assert.equal('java.lang.Object', methods.echo.returns)
    assert.same({ 'java.lang.Comparable[]', 'java.lang.Number' }, types_of(methods.map))
    assert.same({ 'demo.User' }, types_of(methods.put))
    assert.same({ 'java.lang.Object' }, methods.put.erased) -- by which Java finds the method
    assert.equal('demo.User', methods.get.returns)
    local user = found.classes['demo.User']
    assert.same({ { 'id', 'name' }, 'java.lang.Long' }, { user.order, user.fields.id })

    local compile = java_types.compiler(found.classes)
    local page = compile('demo.Page<demo.User>').to({ items = { { name = 'Ada', id = 1 } } }, {})
    assert.equal('demo.User', class_of(page.items[1]))
    assert.equal('java.lang.Long', class_of(page.items[1].id))
    local _, wrong = compile('demo.Page<demo.User>').to({ next = { first = { nam = 1 } } }, {})
    assert.equal('next: first: demo.User has no field nam', wrong)
  end)

  it('tells the service from the interfaces of its callbacks', function()
    local found = read [[
      interface Listener { void heard(String text); }
      interface Base { void ping(); }
      interface Radio extends Base { void listen(Listener listener); }
    ]]
    assert.equal('demo.Radio', found.name)
    assert.is_table(found.methods.ping)
    assert.same({ 'java.lang.String' }, types_of(found.classes['demo.Listener'].methods.heard))
  end)

  it('goes by the package and the imports', function()
    local found = java_text.read [[
      package demo.api;
      import other.Date;
      import java.sql.*;
      interface A { void a(Date date, Period period, BigDecimal sum, Unknown one); }
      class Period { int days; }
    ]]
    assert.same(
      { 'other.Date', 'demo.api.Period', 'java.math.BigDecimal', 'demo.api.Unknown' },
      types_of(found.methods.a)
    )
  end)

  it('says what it cannot read, and what to do', function()
    local cases = {
      ['interface A { void a(int x); void a(String x); }'] = 'A.a is overloaded.*declare the one',
      ['interface A { void a(); } interface B { void b(); }'] = 'not demo.A and demo.B',
      ['interface A { void a( }'] = 'cannot read a type at: }',
      ['interface A { void a();'] = "the '{' of A is never closed",
      ['interface A { void a() { if (x) { } }'] = "the '{' of A is never closed",
      ['class A { int a; }'] = 'declares no interface',
      ['interface A { int; }'] = 'cannot read a method at: ;',
      ['import other.*; interface A { void a(Thing x); }'] = 'package is Thing.*by its name',
      ['class A extends B {} class B extends A {} interface C {}'] = 'extends itself',
      ['sayHello'] = 'cannot read a declaration at: sayHello',
    }
    for text, expected in pairs(cases) do
      local ok, message = pcall(read, text)
      assert.is_false(ok, text)
      assert.matches(expected, message)
    end
  end)
end)
