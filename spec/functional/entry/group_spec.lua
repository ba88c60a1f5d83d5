-- SPDX-License-Identifier: MIT
-- One refer over several aliases, and calls of services by name.
local app = require 'spec.support.app'

local PROVIDER = [[
local GENERIC = true
for _, alias in ipairs { 'eu', 'us' } do
  perilune.export { interface = 'demo.Orders', alias = alias, generic = GENERIC, service = {
    where = function(ctx, country, what)
      return alias .. ' ' .. tostring(country) .. (what and ' ' .. tostring(what) or '')
    end,
    list = function(ctx, values) return { n = #values, last = values[#values] } end,
    place = function(ctx, order) return alias .. ' ' .. order.id end,
    down = function(ctx)
      if alias == 'eu' then return nil, perilune.error('UNAVAILABLE', 'down') end
      return alias
    end,
  } }
end
perilune.listen 'tcp://127.0.0.1:0'
]]

local function run(url, text)
  local consumer =
    app.start("local URL = '" .. url .. "'\nperilune.main(function()\n" .. text .. '\nend)')
  local exit = consumer:wait()
  assert.equal(0, exit.code, consumer.output)
  return consumer.output
end

describe('a group of aliases', function()
  local server
  setup(function()
    server = app.serve(PROVIDER, { args = { '--workers', '1' } })
  end)
  teardown(app.stop_all)

  it('sends calls where an argument, a field, an attachment or a function says', function()
    local output = run(
      server.url,
      [[
      local function refer(group)
        return perilune.refer { interface = 'demo.Orders', url = URL, aliases = { 'eu', 'us' }, group = group }
      end
      local plain = refer()
      assert(perilune.ready(plain))
      print(perilune.check(plain:where 'eu'), perilune.check(plain:where 'us'))
      local mapped = refer { 'by_argument', map = { de = 'eu', ['where:fr'] = 'eu', ['*'] = 'us' } }
      print(mapped:where 'de', mapped:where 'fr', mapped:where 'jp')
      local field = refer { 'by_argument', field = 'region' }
      print(field:place { id = 7, region = 'us' })
      local with = perilune.with(plain, { attachments = { ['.dstParam'] = 'us' } })
      print(with:where 'eu')
      local own = refer(function(ctx, call, aliases) return aliases[#call.args] end)
      print(own:where(1), own:where(1, 2))
      local any = plain:where(perilune.null)
      print(any:match '^%a+ nil$' ~= nil)
      local _, err = plain:where 'mars'
      print(err.code, err.message)
      ]]
    )
    assert.truthy(output:find('eu eu\tus us\n', 1, true), output)
    assert.truthy(output:find('eu de\teu fr\tus jp\n', 1, true), output)
    assert.truthy(output:find('us 7\nus eu\neu 1\tus 1 2\ntrue\n', 1, true), output)
    assert.truthy(
      output:find("NO_SERVICE\tno alias 'mars' in the group of demo.Orders; it has", 1, true),
      output
    )
  end)

  it('tries aliases in their order', function()
    local output = run(
      server.url,
      [[
      local orders = perilune.refer { interface = 'demo.Orders', url = URL, aliases = { 'eu', 'us' },
        group = 'failover', retries = 0, idempotent = true }
      print(orders:down())
      ]]
    )
    assert.truthy(output:find('us\n', 1, true), output)
  end)

  describe('with a registry', function()
    local folder, registry
    before_each(function()
      folder = os.tmpname()
      os.remove(folder)
      registry = 'file://' .. folder
    end)
    after_each(function()
      os.execute(("rm -rf '%s'"):format(folder))
    end)

    local function serve(aliases)
      local text = PROVIDER:gsub('generic = GENERIC', ("registry = '%s'"):format(registry))
      return app.serve((text:gsub("{ 'eu', 'us' }", aliases)))
    end

    it('goes on to the next alias where nobody provides one', function()
      local provider = serve "{ 'eu', 'us' }"
      local output = run(
        registry,
        [[
        local function refer(aliases)
          return perilune.refer { interface = 'demo.Orders', registry = URL, aliases = aliases,
            group = 'failover' }
        end
        print(refer { 'nobody', 'us' }:place { id = 1 })
        print(refer { 'eu', 'nobody' }:place { id = 2 })
        local none = perilune.with(refer { 'nobody', 'nowhere' }, { timeout = 50 })
        print(select(2, none:place { id = 3 }).code)
        ]]
      )
      provider:kill 'TERM'
      provider:wait()
      assert.truthy(output:find('us 1\neu 2\nNO_NODE\n', 1, true), output)
    end)

    it('leaves an alias whose last node has gone', function()
      local eu, us = serve "{ 'eu' }", serve "{ 'us' }"
      local consumer = app.start(("local URL = '%s'\n"):format(registry) .. [[
        io.stdout:setvbuf 'line'
        local orders = perilune.refer { interface = 'demo.Orders', registry = URL,
          aliases = { 'eu', 'us' }, group = 'failover', timeout = 1500 }
        local first
        first = perilune.on('connection.down', function()
          first:close()
          print(orders:place { id = 2 })
        end)
        perilune.main(function()
          perilune.check(perilune.ready(orders, 5000))
          print(orders:place { id = 1 })
          perilune.sleep(60000)
        end)
        ]])
      consumer:wait_line 'eu 1'
      eu:kill 'KILL'
      consumer:wait_line 'us 2'
      consumer:kill 'KILL'
      consumer:wait()
      us:kill 'TERM'
      us:wait()
    end)
  end)

  it('is refused where it makes no sense', function()
    for text, wrong in pairs {
      ["aliases = { 'a' }, alias = 'b'"] = 'an alias or aliases, not both',
      ['aliases = {}'] = 'aliases is empty',
      ["group = 'failover'"] = 'group needs aliases',
      ["aliases = { 'a' }, group = 'by_argumnet'"] = "did you mean 'by_argument'?",
    } do
      local process = app.start(
        ("perilune.refer { interface = 'demo.X', url = 'joyrpc://127.0.0.1:1', %s }"):format(text)
          .. '\nperilune.main(function() end)'
      )
      assert.equal(1, process:wait().code)
      assert.truthy(process.output:find(wrong, 1, true), process.output)
    end
  end)

  it('generic calls need no option, but for JSON', function()
    local plain = app.serve((PROVIDER:gsub('GENERIC = true', 'GENERIC = nil')))
    local output = run(
      plain.url,
      [==[
      local orders = perilune.refer { interface = 'demo.Orders', alias = 'eu', url = URL }
      for _, serialization in ipairs { 'hessian2', 'json', 'msgpack', 'protostuff' } do
        local proxy = perilune.refer {
          interface = 'demo.Orders', alias = 'eu', url = URL, serialization = serialization,
        }
        local generic = perilune.generic(proxy)
        print(serialization, generic:invoke('where', { 'java.lang.String' }, { 'de', 'x' }))
        print(generic:invoke('where', {}, { 'where' }))
        -- Protostuff has no null in front of other arguments.
        local first = serialization ~= 'protostuff' and perilune.null or 'nil'
        print(generic:invoke('where', {}, { first, 'b' }))
        print(generic:invoke('where', {}, {}))
        print(proxy:where('where', 'not generic'))
        print(perilune.with(proxy, { attachments = { note = 'generic' } }):where('where'))
      end
      ]==]
    )
    for name in ('hessian2 json msgpack protostuff'):gmatch '%w+' do
      local expected = name
        .. '\teu de x\neu where\neu nil b\neu nil\neu where not generic\neu where\n'
      assert.truthy(output:find(expected, 1, true), output)
    end
  end)

  it('generic calls reach executors, and services of the same process', function()
    local text = PROVIDER:gsub('generic = GENERIC', "executor = 'pool'"):gsub('tcp:', 'joy:')
    local pooled = app.serve(text .. [==[
      local orders = perilune.refer { interface = 'demo.Orders', alias = 'us', url = 'inproc://' }
      perilune.main(function()
        print(perilune.generic(orders):invoke('where', {}, { 'here', 'x' }))
      end)
    ]==])
    local output = run(
      pooled.url,
      [==[
      local orders = perilune.refer { interface = 'demo.Orders', alias = 'eu', url = URL }
      print(perilune.generic(orders):invoke('where', {}, { 'there' }))
      ]==]
    )
    assert.equal('eu there\n', output)
    pooled:kill 'TERM'
    pooled:wait()
    assert.truthy(pooled.output:find('us here x\n', 1, true), pooled.output)
  end)

  it('a listener may be named by a protocol', function()
    local there = app.serve((PROVIDER:gsub('tcp:', 'dubbo:')))
    assert.matches('^joyrpc://127%.0%.0%.1:%d+$', there.url) -- that the port file has tcp
    local output = run(
      there.url,
      [==[
      for _, scheme in ipairs { 'joy', 'joyrpc', 'dubbo', 'tcp' } do
        local url = URL:gsub('^%w+', scheme)
        print(perilune.refer { interface = 'demo.Orders', alias = 'eu', url = url }:where 'x')
      end
      ]==]
    )
    assert.equal(('eu x\n'):rep(4), output)
  end)

  it('generic consumers call any service by name', function()
    local output = run(
      server.url,
      [==[
      local any = perilune.generic { url = URL, services = 1 }
      print(any:call('demo.Orders:eu', 'where', 'x'))
      print(any:call('demo.Orders:us', 'where', 'y'))
      print(any:call('demo.Orders:eu', 'where', 'z'))
      local _, err = any:call('demo.Nobody', 'where')
      print(err.code)
      _, err = any:call('no name!', 'where')
      print(err.code)
      any:close()
      local orders = perilune.refer { interface = 'demo.Orders', alias = 'eu', url = URL }
      local generic = perilune.generic(orders)
      print(generic:invoke('where', { 'java.lang.String' }, { 'de' }))
      print(generic:invoke('where', nil, { 'de', 7 }))
      print(generic:invoke('list', nil, { { 1, 2, 3 } }).last)
      print(generic:invoke('where', nil, { n = 2, nil, 'b' }))
      local json = perilune.with(orders, { attachments = { generic = true, ['.genericSerializer'] = 'json' } })
      print(json:list('list', perilune.null, { '[[4,5]]' }))
      print(select(2, json:list('list', perilune.null, { 'oops' })))
      local dubbo = perilune.with(orders, { attachments = { generic = true, path = 'demo.Orders' } })
      print(dubbo:where('where'))
      print('method: ' .. tostring(select(2, generic:invoke(nil, nil, {}))))
      print('types: ' .. tostring(select(2, generic:invoke('where', 'java.lang.String', {}))))
      print('list: ' .. tostring(select(2, generic:invoke('where', nil, 5))))
      for _, wrong in ipairs { { timout = 5 }, { services = 0 }, { interface = 'a' }, { retries = 'x' } } do
        wrong.url = URL
        print('wrong: ' .. select(2, pcall(perilune.generic, wrong)))
      end
      ]==]
    )
    assert.matches('method: BAD_REQUEST: [^\n]* the name of a method\n', output)
    assert.matches('types: BAD_REQUEST: [^\n]* a list of types, got a string\n', output)
    assert.matches('list: BAD_REQUEST: [^\n]* a list of arguments, got a number\n', output)
    assert.matches("wrong: [^\n]*generic: unknown setting 'timout'; did you mean 'timeout'", output)
    assert.matches('wrong: [^\n]*services must be an integer of at least 1, got 0', output)
    assert.matches('wrong: [^\n]*each call says its own interface', output)
    assert.matches('wrong: [^\n]*retries must be integer', output)
    assert.truthy(output:find('eu x\nus y\neu z\n', 1, true), output)
    assert.truthy(output:find('BAD_REQUEST\neu de\neu de 7\n3\neu nil b\n', 1, true), output)
    assert.truthy(output:find('"last":5', 1, true), output)
    assert.truthy(output:find('generic call: its arguments are no JSON text', 1, true), output)
    assert.truthy(output:find('eu where', 1, true), output)
  end)
end)
