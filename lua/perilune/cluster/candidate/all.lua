-- SPDX-License-Identifier: MIT
-- Connect to every node.
return {
  name = 'all',
  choose = function(entries)
    return entries
  end,
}
