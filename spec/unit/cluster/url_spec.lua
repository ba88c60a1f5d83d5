-- SPDX-License-Identifier: MIT
require 'spec.support.c'

local function url(port, extra)
  return ('joyrpc://127.0.0.1:%d/demo.Greeter?alias=prod%s'):format(port, extra or '')
end

describe('cluster/url', function()
  local urls = require 'perilune.cluster.url'

  it('reads and writes', function()
    local parsed = assert(urls.parse 'JOYRPC://h:1/a.B?z=1&a=x%20y')
    assert.equal('joyrpc', parsed.scheme)
    assert.equal('h:1', parsed.address)
    assert.equal(1, parsed.port)
    assert.equal('a.B', parsed.path)
    assert.same({ z = '1', a = 'x y' }, parsed.params)
    assert.equal('joyrpc://h:1/a.B?a=x%20y&z=1', urls.format(parsed))
    assert.equal('joyrpc', urls.parse('joy://h:1/a.B').scheme)
    assert.equal('/run/x.sock', urls.parse('unix:///run/x.sock').address)
    assert.equal('::1', urls.parse('tcp://[::1]:22').host)
    assert.is_nil(urls.parse 'localhost:22')
    assert.is_nil(urls.parse 'tcp://h:70000')
    assert.is_nil(urls.parse(7))
  end)

  it('makes entries, keeps secrets back, checks weights', function()
    local entry = assert(urls.entry(url(1, '&weight=7&version=v2&.token=x')))
    assert.same({ version = 'v2' }, entry.meta)
    assert.equal(7, entry.weight)
    assert.equal('prod', entry.alias)
    assert.equal('demo.Greeter', entry.interface)
    assert.equal('joyrpc://127.0.0.1:1', entry.url)
    assert.equal(url(1, '&version=v2&weight=7'), urls.of_entry(entry))
    assert.is_nil(urls.entry(url(1, '&weight=-1')))
    assert.is_nil(urls.entry(url(1, '&weight=many')))
    assert.equal(3, #urls.entries 'joyrpc://a:1, joyrpc://b:1;joyrpc://c:1')
    assert.is_nil(urls.entries '')
  end)
end)
