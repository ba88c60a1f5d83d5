-- SPDX-License-Identifier: MIT
-- Lua text that comes again, as scripts do at a reload and the chains of their methods, is parsed once:
-- what the parser made of it is kept as bytecode, which loads in a tenth of the time. Loading makes new
-- prototypes each time, so that no generation runs into code that was compiled for another one.
local M = {}

-- Bytes of generated text and its bytecode that are kept in a VM; beyond that all of it is forgotten.
local MOST = 1048576

local files = {} ---@type table<string, {text: string, code: string}>  by path
local used = {} ---@type table<string, boolean>  paths that were loaded since M.begin
local codes, held = {}, 0 ---@type table<string, string>, integer

local function read(path)
  local file = io.open(path, 'rb')
  local text = file and file:read '*a'
  if file then
    file:close()
  end
  return text
end

-- From here on files count as used by the next generation.
function M.begin()
  used = {}
end

-- Forgets the files that were not used since M.begin.
function M.finish()
  for path in pairs(files) do
    if not used[path] then
      files[path] = nil
    end
  end
end

-- As `loadfile`.
---@param path string
---@return function?
---@return string? message
function M.file(path)
  local text = read(path)
  if not text then
    return loadfile(path) -- which says why not
  end
  local name, kept = '@' .. path, files[path]
  used[path] = true
  if kept and kept.text == text then
    return loadstring(kept.code, name)
  end
  local chunk, message = loadstring(text, name)
  files[path] = chunk and { text = text, code = string.dump(chunk) } or nil
  return chunk, message
end

-- The text of a file as it was loaded last, else as it is now; '' when there is none.
---@param path string
---@return string
function M.text(path)
  return files[path] and files[path].text or read(path) or ''
end

-- The function of a text that we generated ourselves. Raises when it is wrong.
---@param text string
---@param name string  '=chain demo.Greeter.hello'
---@return function
function M.generated(text, name)
  local key = name .. '\n' .. text
  local code = codes[key]
  if code then
    return (assert(loadstring(code, name)))
  end
  local chunk = assert(loadstring(text, name))
  code = string.dump(chunk)
  if held > MOST then
    codes, held = {}, 0
  end
  codes[key], held = code, held + #key + #code
  return chunk
end

return M
