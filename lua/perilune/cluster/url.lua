-- SPDX-License-Identifier: MIT
-- Service and registry URLs: scheme://host:port/path?key=value&... Values are percent-encoded on the
-- way out and decoded on the way in; keys come out sorted, so that equal URLs are equal texts.
local M = {}

-- What a URL of a node may begin with: a transport, or a protocol over tcp, which the runtime tells.
---@type table<string, true>
M.schemes = { tcp = true, unix = true, inproc = true, joyrpc = true }

local inside, core = pcall(require, 'perilune.core')
for _, name in ipairs(inside and core.protocols and core.protocols() or {}) do
  M.schemes[name] = true
end

---@class perilune.cluster.Url
---@field scheme string
---@field address string    'host:port', or the path of a unix socket
---@field host? string
---@field port? integer
---@field path string       without the leading /, '' when there is none
---@field params table<string, string>

local function decode(text)
  return (text:gsub('%%(%x%x)', function(hex)
    return string.char(tonumber(hex, 16))
  end))
end

local function encode(text)
  return (
    tostring(text):gsub('[^%w%._~:/@,%*%-]', function(char)
      return ('%%%02X'):format(char:byte())
    end)
  )
end

local function parse_params(query)
  local params = {}
  for pair in query:gmatch '[^&]+' do
    local key, value = pair:match '^([^=]+)=?(.*)$'
    if key then
      params[decode(key)] = decode(value)
    end
  end
  return params
end

---@param text string
---@return perilune.cluster.Url?
---@return string? message
function M.parse(text)
  if type(text) ~= 'string' then
    return nil, ('a URL must be a string, got a %s'):format(type(text))
  end
  local scheme, rest = text:match '^([%a][%w%+%.%-_]*)://(.*)$'
  if not scheme then
    return nil, ("'%s' is no URL: write it like joyrpc://127.0.0.1:22000"):format(text)
  end
  local body, query = rest:match '^([^?]*)%??(.*)$'
  scheme = scheme:lower()
  -- `joy` is what JoyRPC's own configuration says.
  local url = { scheme = scheme == 'joy' and 'joyrpc' or scheme, params = parse_params(query) }
  if body:sub(1, 1) == '/' then
    url.address, url.path = decode(body), ''
    return url
  end
  local authority, path = body:match '^([^/]*)/?(.*)$'
  url.address, url.path = authority, decode(path)
  local host, port = authority:match '^%[?(.-)%]?:(%d+)$'
  if host then
    url.host, url.port = host, tonumber(port)
    if url.port > 65535 then
      return nil, ("'%s': port %s is above 65535"):format(text, port)
    end
  end
  return url
end

-- A URL as messages and logs show it: what parameters that begin with '.' say is left out, and who is
-- named before the host. Of a list all of them.
---@param text string|string[]
---@return string
function M.shown(text)
  if type(text) == 'table' then
    local list = {}
    for i, url in ipairs(text) do
      list[i] = M.shown(url)
    end
    return table.concat(list, ', ')
  end
  local shown = tostring(text):gsub('([?&]%.[^=&]*=)[^&]*', '%1***')
  return (shown:gsub('^([%w%+%.%-_]+://)[^/?]*@', '%1***@'))
end

---@param url perilune.cluster.Url
---@return string
function M.format(url)
  local text = url.scheme .. '://' .. url.address
  if url.path and url.path ~= '' then
    text = text .. '/' .. encode(url.path)
  end
  local keys = {}
  for key in pairs(url.params or {}) do
    keys[#keys + 1] = key
  end
  table.sort(keys)
  for i, key in ipairs(keys) do
    keys[i] = encode(key) .. '=' .. encode(url.params[key])
  end
  return #keys > 0 and text .. '?' .. table.concat(keys, '&') or text
end

-- What keeps anybody from connecting to the address of a URL, or nil.
---@param url perilune.cluster.Url
---@return string? message
function M.unreachable(url)
  if url.port == 0 or url.host == '' then
    return 'is no address to connect to'
  elseif url.host and url.host:find(':', 1, true) and url.address:sub(1, 1) ~= '[' then
    return 'has an IPv6 address without brackets; write [::1]:22000'
  end
end

-- What goes into a node list about one provider.
---@class perilune.cluster.Entry
---@field url string        where to connect: scheme://address
---@field address string
---@field weight integer
---@field meta table<string, string>  everything else the URL says: version, tag, region ...
---@field interface? string
---@field alias? string

local OWN = { weight = true, alias = true, interface = true }

-- The entry a service URL describes: joyrpc://host:port/demo.Greeter?alias=prod&weight=10&version=v2
---@param text string
---@return perilune.cluster.Entry?
---@return string? message
function M.entry(text)
  local url, message = M.parse(text)
  if not url then
    return nil, message
  end
  local params, meta = url.params, {}
  for key, value in pairs(params) do
    if not OWN[key] and key:sub(1, 1) ~= '.' then
      meta[key] = value
    end
  end
  local weight = 100
  if params.weight then
    weight = tonumber(params.weight)
    if not weight or weight < 0 or weight > 1e6 or weight % 1 ~= 0 then
      return nil, ("'%s': weight must be an integer from 0 to 1000000"):format(text)
    end
  end
  return {
    url = url.scheme .. '://' .. url.address,
    address = url.address,
    weight = weight,
    meta = meta,
    interface = params.interface or (url.path ~= '' and url.path or nil),
    alias = params.alias,
  }
end

-- The service URL of an entry; keys that begin with '.' are secrets and stay here.
---@param entry perilune.cluster.Entry
---@return string
function M.of_entry(entry)
  local url = assert(M.parse(entry.url))
  url.path = entry.interface or url.path
  url.params = {}
  for key, value in pairs(entry.meta or {}) do
    if key:sub(1, 1) ~= '.' then
      url.params[key] = value
    end
  end
  url.params.alias = entry.alias
  if entry.weight and entry.weight ~= 100 then
    url.params.weight = entry.weight
  end
  return M.format(url)
end

-- Entries of `url = ...` in a declaration: one URL, a list, or several separated by , or ;
---@param value string|string[]
---@return perilune.cluster.Entry[]?
---@return string? message
function M.entries(value)
  local texts = {}
  if type(value) == 'table' then
    texts = value
  elseif type(value) == 'string' then
    for text in value:gmatch '[^,;%s]+' do
      texts[#texts + 1] = text
    end
  end
  local list = {}
  for i, text in ipairs(texts) do
    local entry, message = M.entry(text)
    if not entry then
      return nil, message
    end
    list[i] = entry
  end
  if #list == 0 then
    return nil, 'url must be a URL or a list of URLs'
  end
  return list
end

return M
