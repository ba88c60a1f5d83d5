-- SPDX-License-Identifier: MIT
-- Providers of one service as registries list them.
local M = {}

M.PROD = { interface = 'demo.Greeter', alias = 'prod' }

---@param port integer
---@param extra? string  '&weight=5'
function M.url(port, extra)
  return ('joyrpc://127.0.0.1:%d/demo.Greeter?alias=prod%s'):format(port, extra or '')
end

-- The ports of a snapshot, '1 2'.
---@param snapshot {entries: {address: string}[]}
---@return string
function M.addresses(snapshot)
  local list = {}
  for i, entry in ipairs(snapshot.entries) do
    list[i] = entry.address:match ':(%d+)$'
  end
  return table.concat(list, ' ')
end

return M
