-- SPDX-License-Identifier: MIT
local vm = require 'spec.support.vm'
local inside = vm.inside

describe('a handler', function()
  it('gives its first value', inside(function()
    local greeter = serve {
      hello = function(_, name)
        return 'hello ' .. name
      end,
    }
    assert.equal('hello moon', (greeter:hello 'moon'))
  end))
end)
