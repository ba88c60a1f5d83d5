-- SPDX-License-Identifier: MIT
-- Lua text that comes again, as scripts do at a reload and the chains of methods, is parsed once: what the
-- parser made of it is kept as bytecode, which loads in a tenth of the time. Loading makes new prototypes
-- each time, so that no method and no generation runs into code that was compiled for another one.
local M = {}

-- Bytes of generated text and its bytecode that are kept in a VM; beyond that all of it is forgotten.
local MOST = 1048576
-- Bytes of bytecode before the name of its chunk: signature, version, flags.
local HEAD = 5
local ANY = '=x' -- a name to be replaced
local LONGEST = 16383 -- bytes of a name

local files = {} ---@type table<string, {text: string, code: string}>  by path
local used = {} ---@type table<string, boolean>  paths that were loaded since M.begin
local codes, held = {}, 0 ---@type table<string, string>, integer  by text, with the name ANY

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

-- The same bytecode as a chunk called `name`; its length stands before it in groups of 7 bits.
local function named(code, name)
  local low, high = #name % 128, math.floor(#name / 128)
  local length = high > 0 and string.char(low + 128, high) or string.char(low)
  return code:sub(1, HEAD) .. length .. name .. code:sub(HEAD + 2 + #ANY)
end

local function dump(text, name)
  return string.dump(assert(loadstring(text, name)))
end

-- Is bytecode laid out as expected? Otherwise generated text is parsed each time.
local works = true
for _, length in ipairs { 1, 127, 128, 1000 } do
  local text, name = 'local a = ... return function() return a end', ('n'):rep(length)
  works = works and named(dump(text, ANY), name) == dump(text, name)
end

-- The function of a text that we generated ourselves. Methods of one kind differ in the name only.
-- Raises when it is wrong.
---@param text string
---@param name string  '=chain demo.Greeter.hello'
---@return function
function M.generated(text, name)
  if not works or #name > LONGEST then
    return (assert(loadstring(text, name)))
  end
  local code = codes[text]
  if not code then
    code = dump(text, ANY)
    if held > MOST then
      codes, held = {}, 0
    end
    codes[text], held = code, held + #text + #code
  end
  return (assert(loadstring(named(code, name), name)))
end

return M
