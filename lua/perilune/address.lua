-- SPDX-License-Identifier: MIT
-- Addresses of peers and lists of networks: '10.0.0.7', '10.0.0.0/8', '10.0.0.1-10.0.0.9', '2001:db8::/32',
-- '*'. An IPv4 address inside IPv6 ('::ffff:10.0.0.7') is that IPv4 address. What is none of these is
-- refused, never taken for everything.
local M = {}

-- The four bytes of 'a.b.c.d', or nil.
local function v4(text)
  local a, b, c, d = text:match '^(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)$'
  if not a then
    return nil
  end
  local bytes = { tonumber(a), tonumber(b), tonumber(c), tonumber(d) }
  for _, byte in ipairs(bytes) do
    if byte > 255 then
      return nil
    end
  end
  return bytes
end

-- Appends the groups of one side of '::' to `words`; false when it is malformed.
local function groups(text, words)
  if text == '' then
    return true
  end
  for group in (text .. ':'):gmatch '([^:]*):' do
    local bytes = group:find('.', 1, true) and v4(group)
    if bytes then
      words[#words + 1] = bytes[1] * 256 + bytes[2]
      words[#words + 1] = bytes[3] * 256 + bytes[4]
    elseif group:match '^%x%x?%x?%x?$' then
      words[#words + 1] = tonumber(group, 16)
    else
      return false
    end
  end
  return true
end

-- The eight words of an IPv6 address, or nil.
local function v6(text)
  local head, tail = text:match '^(.-)::(.*)$'
  local words, after = {}, {}
  if not groups(head or text, words) or not groups(tail or '', after) then
    return nil
  elseif not head then
    return #words == 8 and words or nil
  elseif #words + #after > 7 or tail:find('::', 1, true) then
    return nil
  end
  for _ = 1, 8 - #words - #after do
    words[#words + 1] = 0
  end
  for _, word in ipairs(after) do
    words[#words + 1] = word
  end
  return words
end

-- An address as a string of 4 or 16 bytes in the order of the wire, or nil.
---@param text string
---@return string? bytes
function M.parse(text)
  local bytes = v4(text)
  if bytes then
    return string.char(unpack(bytes))
  end
  local words = v6((text:gsub('%%[%w_.-]+$', ''))) -- without the zone of a link-local address
  if not words then
    return nil
  end
  local parts = {}
  for i, word in ipairs(words) do
    parts[i] = string.char((word - word % 256) / 256, word % 256)
  end
  local packed = table.concat(parts)
  if packed:sub(1, 12) == ('\0'):rep(10) .. '\255\255' then
    return packed:sub(13)
  end
  return packed
end

-- The address in what ctx.peer says ('10.0.0.7:4242', '[::1]:4242'), or nil when it is none (a unix
-- socket, a call inside the process).
---@param peer string?
---@return string?
function M.of_peer(peer)
  if not peer then
    return nil
  end
  return peer:match '^%[(.-)%]:%d+$'
    or peer:match '^([%d.]+):%d+$'
    or peer:match '^(%x*:%x*:[%x:.]*)$'
end

local function bounds(text, bits, mapped)
  local bytes = M.parse(text)
  if not bytes then
    return nil
  end
  -- '::ffff:10.0.0.0/104' counts the 96 bits before.
  if bits and mapped and #bytes == 4 then
    bits = bits - 96
  end
  local size = #bytes * 8
  bits = bits or size
  if bits < 0 or bits > size then
    return nil
  end
  local low, high = {}, {}
  for i = 1, #bytes do
    local free = math.max(0, math.min(8, i * 8 - bits))
    local step = 2 ^ free
    local byte = bytes:byte(i)
    low[i] = byte - byte % step
    high[i] = low[i] + step - 1
  end
  return string.char(unpack(low)), string.char(unpack(high))
end

-- Lowest and highest address of one pattern, or nil.
local function range_of(pattern)
  local from, to = pattern:match '^%s*(%S-)%s*%-%s*(%S-)%s*$'
  if from then
    local low, high = M.parse(from), M.parse(to)
    if low and high and #low == #high and low <= high then
      return low, high
    end
    return nil
  end
  local text, bits = pattern:match '^%s*([^/%s]+)/(%d+)%s*$'
  if text then
    return bounds(text, tonumber(bits), text:find(':', 1, true) ~= nil)
  end
  return bounds(pattern:match '^%s*(%S*)%s*$' or '')
end

-- A function(bytes) that tells whether an address is on the list, or nil and which pattern is wrong.
---@param patterns string[]
---@return (fun(bytes: string): boolean)?
---@return string? message
function M.matcher(patterns)
  local lows, highs, all = {}, {}, false
  for i, pattern in ipairs(patterns) do
    local low, high
    if pattern == '*' then
      all = true
    else
      if type(pattern) == 'string' then
        low, high = range_of(pattern)
      end
      if not low then
        return nil,
          ("'%s' is no address, network (10.0.0.0/8), range (a-b) or '*'"):format(tostring(pattern))
      end
      lows[#lows + 1], highs[#highs + 1] = low, high
    end
    if i > 10000 then
      return nil, 'a list has at most 10000 patterns'
    end
  end
  return function(bytes)
    if all then
      return true
    end
    for i = 1, #lows do
      if #lows[i] == #bytes and lows[i] <= bytes and bytes <= highs[i] then
        return true
      end
    end
    return false
  end
end

return M
