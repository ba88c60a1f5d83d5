-- SPDX-License-Identifier: MIT
local token = require 'perilune.entry.authenticator.token'

describe('the authenticator token', function()
  it('presents the token by the name that JoyRPC reads', function()
    assert.same({ ['.token'] = 'open sesame' }, token.present { token = 'open sesame' })
  end)

  it('takes it by that name and by its own', function()
    local check = token.new { token = { ada = 'open sesame' } }
    assert.equal('ada', check { attributes = { ['.token'] = 'open sesame' } })
    assert.equal('ada', check { attributes = { token = 'open sesame' } })
    assert.same({ nil, 'the token is not known here' }, { check { attributes = { token = 'x' } } })
  end)

  it('does not take the path of a secret for the secret', function()
    local check, message = token.new { token = { file = '/run/secrets/x' } }
    assert.is_nil(check)
    assert.matches(
      "is for the configuration; a script says perilune.secret '/run/secrets/x'",
      message
    )
    assert.is_function(token.new { token = { file = 'open sesame' } })
    assert.is_function(token.new { token = { file = '/x', shop = 'y' } })
  end)

  it('refuses to present nothing', function()
    assert.same({ nil, 'auth: token needs a token that is not empty' }, { token.present {} })
  end)
end)
