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

-- A value as text, as demo/Told.java writes it.
M.TEXT_OF = [==[
local boxes = {
  ['java.util.Date'] = 'date ', ['java.math.BigDecimal'] = '', ['java.math.BigInteger'] = '', ['java.lang.Long'] = '',
}
local function joined(parts, open, close)
  return open .. table.concat(parts, ', ') .. close
end
local text_of
local function scalar(value, kind)
  if value == nil or value == perilune.null then
    return 'null'
  elseif kind == 'string' then
    return "'" .. value .. "'"
  elseif kind == 'userdata' then
    local numbers = { tostring(value):byte(1, -1) }
    for i, byte in ipairs(numbers) do numbers[i] = byte > 127 and byte - 256 or byte end
    return joined(numbers, 'bytes[', ']')
  elseif kind == 'number' and value % 1 == 0 and math.abs(value) <= 2 ^ 53 then
    return string.format('%d', value)
  elseif kind ~= 'table' then
    return (tostring(value):gsub('U?LL$', ''))
  end
end
local function list(value, class)
  local items = {}
  for i, item in ipairs(value) do items[i] = text_of(item) end
  if class and class:match 'Set$' then table.sort(items) end
  return joined(items, '[', ']')
end
function text_of(value)
  local class, count = perilune.class_of(value), 0
  local text = scalar(value, type(value))
  if text then
    return text
  elseif boxes[class] then
    return boxes[class] .. tostring(value)
  elseif class == 'java.lang.Character' then
    return "'" .. tostring(value) .. "'"
  elseif class == 'demo.Color' then
    return class .. ' ' .. value.name
  end
  for _ in pairs(value) do count = count + 1 end
  local is_list = getmetatable(value) == getmetatable(perilune.array {}) or class and (class:match 'List$' or class:match '^%[')
  if count == #value and (count > 0 or is_list) then
    return list(value, class)
  end
  local fields = {}
  for key, content in pairs(value) do fields[#fields + 1] = tostring(key) .. '=' .. text_of(content) end
  table.sort(fields)
  return joined(fields, (class and not class:match '^java%.util' and class or '') .. '{', '}')
end
]==]

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
  return M.TEXT_OF
    .. ([[
local probe = %s
local last
local service = {
  told = function() return text_of(last) end,
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
  if name:match '^echo' then service[name] = function(_, value) last = value return value end end
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
