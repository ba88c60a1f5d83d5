-- SPDX-License-Identifier: MIT
-- Options that one looks for in vain: what others call by another name, and what belongs to the other
-- kind of declaration.
local M = {}

local BOTH = {
  cluster = 'router',
  compress = 'compression',
  filter = 'filters',
  group = 'alias',
  interfaceClazz = 'interface',
  parameters = 'meta of exports, attachments of refers',
  version = 'alias',
}
local NAMES = {
  export = {
    accesslog = 'access_log',
    executes = 'concurrency',
    host = 'perilune.listen',
    port = 'perilune.listen',
    protocol = 'perilune.listen',
    ref = 'service',
    tag = "meta = { tag = '...' }",
    url = 'perilune.listen',
  },
  refer = {
    actives = 'concurrency',
    async = 'perilune.async',
    forks = "router = { 'forking', forks = 2 }",
    generic = 'perilune.generic',
    injvm = 'inproc',
    nodeSelector = 'selectors',
    sticky = "loadbalance = 'sticky'",
  },
}

-- What an option is here that declarations of this kind do not know, as the tail of a message.
local function tail_of(kind, option, options)
  local name = (NAMES[kind] or {})[option] or NAMES[kind] and BOTH[option]
  if name then
    return ('; that is %s here'):format(name)
  end
  for _, other in ipairs { 'export', 'refer' } do
    if other ~= kind and options[other][option] then
      return ('; it is an option of %ss'):format(other)
    end
  end
end

-- What is wrong with options, with a better guess of what was meant where there is one.
---@param kind 'export'|'refer'|'listen'
---@param wrong string
---@param options table<string, table>  the options of each kind
---@return string
function M.hint(kind, wrong, options)
  local shown = wrong:match "^unknown setting '[^;]*"
  local option = shown and shown:match "([%w_]+)'$"
  local tail = option and tail_of(kind, option, options)
  return tail and shown .. tail or wrong
end

return M
