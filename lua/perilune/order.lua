-- SPDX-License-Identifier: MIT
-- Orders things that say before and after whom they want to stand. Stable: without a wish the order
-- of the list stays, and a wish moves as little as possible.
local M = {}

-- Returns the items in order and a list of warnings about names that nobody has, or nil and a
-- message that shows the circle.
---@generic T: {name: string, before?: string[], after?: string[]}
---@param list T[]
---@param known? table<string, any>  further names that are no mistake although absent
---@return T[]?
---@return string[]|string
function M.sort(list, known)
  local by_name, warnings = {}, {}
  for i, item in ipairs(list) do
    by_name[item.name] = by_name[item.name] or {}
    table.insert(by_name[item.name], i)
  end
  -- follows[j][i]: i must stand before j
  local follows, waiting = {}, {}
  for i = 1, #list do
    follows[i], waiting[i] = {}, 0
  end
  local function edge(first, second)
    if first ~= second and not follows[second][first] then
      follows[second][first] = true
      waiting[second] = waiting[second] + 1
    end
  end
  local function wish(i, names, place)
    for _, name in ipairs(names or {}) do
      if by_name[name] then
        for _, j in ipairs(by_name[name]) do
          edge(place == 'before' and i or j, place == 'before' and j or i)
        end
      elseif not (known and known[name]) then
        warnings[#warnings + 1] = ("'%s' wants to stand %s '%s', which is not there"):format(
          list[i].name,
          place,
          name
        )
      end
    end
  end
  for i, item in ipairs(list) do
    wish(i, item.before, 'before')
    wish(i, item.after, 'after')
  end
  local sorted, done = {}, {}
  for _ = 1, #list do
    local free
    for i = 1, #list do
      if not done[i] and waiting[i] == 0 then
        free = i
        break
      end
    end
    if not free then
      return nil, 'circle: ' .. M.circle(list, follows, done)
    end
    done[free] = true
    sorted[#sorted + 1] = list[free]
    for j = 1, #list do
      if follows[j][free] then
        waiting[j] = waiting[j] - 1
      end
    end
  end
  return sorted, warnings
end

-- Names of one circle among the items not done: 'a after b after a'.
---@param list {name: string}[]
---@param follows table<integer, table<integer, boolean>>
---@param done table<integer, boolean>
---@return string
function M.circle(list, follows, done)
  local at
  for i = 1, #list do
    if not done[i] then
      at = i
      break
    end
  end
  local path, seen = {}, {}
  while not seen[at] do
    path[#path + 1] = at
    seen[at] = #path
    for i = 1, #list do
      if follows[at][i] and not done[i] then
        at = i
        break
      end
    end
  end
  local names = {}
  for k = seen[at], #path do
    names[#names + 1] = list[path[k]].name
  end
  names[#names + 1] = list[at].name
  return table.concat(names, ' after ')
end

return M
