-- SPDX-License-Identifier: MIT
-- What callers may learn of errors: codes stay as they are (or are renamed by `map`), the message of a
-- hidden code stays in our log.
--
--   perilune.export { ..., exception = true }
--   filters = { { 'exception', hide = { 'INTERNAL', 'SYSTEM' }, map = { DATA_LOSS = 'UNAVAILABLE' } } }
local perilune = require 'perilune'

local function hidden(call, err)
  perilune.log.error('error hidden from the caller', {
    service = call.interface,
    method = call.method,
    code = err.code,
    message = err.message,
  }, 'ERROR-HIDDEN')
  return perilune.error(err.code)
end

return {
  name = 'exception',
  side = 'provider',
  schema = {
    hide = {
      type = 'list',
      default = { 'INTERNAL' },
      items = { type = 'string' },
      help = 'codes whose message stays here',
    },
    map = { type = 'table', default = {}, help = 'code -> code told to the caller' },
  },
  new = function(conf)
    local code_set = perilune.policy.code_set
    local hide, map = code_set(conf.hide), conf.map
    for from, to in pairs(map) do
      code_set { from, to }
    end
    return function(ctx, call, next)
      local result, err = next(ctx, call)
      if err == nil then
        return result
      end
      err = perilune.error_of(err)
      if map[err.code] then
        err = perilune.error(map[err.code], err.message, err.details)
      end
      if
        hide[err.code]
        and err.message ~= perilune.error(err.code).message
        and err.message ~= 'internal error'
      then
        err = hidden(call, err)
      end
      return nil, err
    end
  end,
}
