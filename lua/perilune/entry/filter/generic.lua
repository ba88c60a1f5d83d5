-- SPDX-License-Identifier: MIT
-- Takes the calls of JoyRPC's generic consumers that speak JSON: their arguments are method, types and
-- a list, marked by the attachment `generic`, and with `.genericSerializer` = 'json' the list holds one
-- JSON text, and so does the result. Without that every service takes them (src/lua/serve_generic.c).
--
--   perilune.export { ..., generic = true }
local perilune = require 'perilune'

local json = perilune.policy.json

local function bad(text)
  return nil, perilune.error('BAD_REQUEST', 'generic call: ' .. text)
end

-- One JSON text is a list of the arguments, or the only one.
local function from_json(list)
  local text = list[1]
  if type(text) == 'userdata' then
    text = tostring(text)
  end
  if type(text) ~= 'string' then
    return nil
  end
  local value = json.decode(text)
  if type(value) ~= 'table' then
    return nil
  end
  return text:match '^%s*%[' and value or { value }
end

return {
  name = 'generic',
  side = 'provider',
  new = function()
    return function(ctx, call, next)
      local attachments = call.attachments
      -- Dubbo's generic calls have it, too, but come with the arguments themselves; its consumers
      -- always name the path.
      local plain = not attachments.generic
        or not attachments['.genericSerializer']
        or attachments.path == call.interface
      if plain or call.args[1] ~= call.method then
        return next(ctx, call)
      end
      local list = call.args[3]
      if list == nil or list == perilune.null then
        list = {}
      elseif type(list) ~= 'table' then
        return bad 'its third argument must be the list of arguments'
      end
      local as_json = attachments['.genericSerializer'] == 'json'
      local args = as_json and #list > 0 and from_json(list) or list
      if as_json and #list > 0 and args == list then
        return bad 'its arguments are no JSON text'
      end
      for i = 1, #args do
        if args[i] == perilune.null then
          args = { unpack(args, 1, #args) }
          args.n = #args
          for k = i, args.n do
            args[k] = args[k] ~= perilune.null and args[k] or nil
          end
          break
        end
      end
      call.args = args
      local result, err = next(ctx, call)
      if err == nil and as_json and result ~= nil then
        return json.encode(result)
      end
      return result, err
    end
  end,
}
