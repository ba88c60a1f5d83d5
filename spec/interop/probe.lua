-- SPDX-License-Identifier: MIT
-- demo.Probe in Lua: the service that Java consumers call, and its declaration.
local M = {}

-- Methods with bodies and the implementation's comments are left out.
local function source(path)
  local file = assert(io.open('spec/interop/java/' .. path))
  local text = file:read '*a'
  file:close()
  return (text:gsub('public interface', 'interface'))
end

M.CLASSES = [[
class DeclaredException { int code; }
class Address { String city; int number; }
class Person { String name; int age; Long wealth; boolean active; double score; Address address;
  List<String> tags; Color color; Person friend; }
class Nest { String name; transient String secret; List<List<String>> rows;
  List<Map<String, Integer>> tables; Map<String, List<Integer>> groups;
  Map<String, Map<String, Integer>> deep; Address[] places; }
enum Color { RED, GREEN, BLUE }
]]

-- The declaration, as text of a Lua expression.
function M.interface()
  return ('perilune.interface [==[%s\n%s]==]'):format(
    source 'api/src/main/java/demo/Probe.java',
    M.CLASSES
  )
end

-- The interface with a callback that Dubbo's consumers call.
function M.watch()
  return source 'dubbo/src/main/java/demo/dubbo/Watch.java'
end

-- A script that serves it on a port of its own; `more` are further options of the export.
function M.server(more)
  return ([[
local probe = %s
local service = {
  sayHello = function(_, name) return 'Hi ' .. name end,
  touch = function() end,
  nothing = function() end,
  later = function(_, text) perilune.sleep(1) return 'later ' .. text end,
  slow = function(_, ms) perilune.sleep(ms) return 'slept' end,
  failDeclared = function(_, message)
    return nil, perilune.error('PRECONDITION', message,
      perilune.java.exception('demo.DeclaredException', message, { code = 7 }))
  end,
  failUnchecked = function(_, message) return nil, perilune.error('PRECONDITION', message) end,
  attachment = function(ctx, name)
    if name == 'trace:traceId' then return ctx.trace.map and ctx.trace.trace_id end
    return ctx.call.attachments[name]
  end,
  blob = function(_, length)
    local bytes = {}
    for i = 1, length do bytes[i] = string.char((i - 1) %% 251) end
    return table.concat(bytes)
  end,
}
for name in pairs(probe.methods) do
  if name:match '^echo' then service[name] = function(_, value) return value end end
end
perilune.export { interface = probe, alias = 'prod', service = service, int64 = 'cdata', %s }
local watch = perilune.interface [==[%s]==]
perilune.export {
  interface = watch, alias = 'prod',
  service = {
    watch = function(_, text, count, listener)
      local answers = {}
      for i = 1, count do
        local answer, err = listener(text .. ' ' .. i)
        if err then return nil, err end
        answers[i] = answer
      end
      return table.concat(answers, ',')
    end,
  },
}
perilune.export {
  interface = 'demo.joyrpc.Watch', alias = 'prod',
  service = {
    watch = function(_, text, count, callback)
      local answers = {}
      for i = 1, count do
        local answer, err = callback(text .. ' ' .. i)
        if err then return nil, err end
        answers[i] = answer
      end
      return table.concat(answers, ',')
    end,
  },
}
perilune.listen 'tcp://127.0.0.1:0'
]]):format(M.interface(), more or '', M.watch())
end

return M
