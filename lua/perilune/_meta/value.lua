-- SPDX-License-Identifier: MIT
-- Values that say what Lua alone leaves open; made by src/lua/value_types.c, reached through the
-- module `perilune`.
---@meta perilune.value
error('perilune.value is made by the perilune binary; this file only describes it')

---@class perilune.value
local value = {}

--- null inside a list; the same value as lua-cjson's null. In a map, null is absence.
---@type lightuserdata
value.null = nil

--- Marks a table as a list (an empty one would be a map) and returns it. Unmarked tables are lists
--- when their keys are exactly 1..n with n > 0. Raises for a table with a metatable of its own.
---@generic T: table
---@param list? T  default a new table
---@return T
function value.array(list) end

--- Binary data: bin in MessagePack, base64 text in JSON. Plain strings must be UTF-8 there.
---@param data string
---@return perilune.Bytes
function value.bytes(data) end

--- Marks a table as an object of a class, for formats that carry classes, and returns it.
---@generic T: table
---@param class string
---@param fields T
---@return T
function value.typed(class, fields) end

--- The class that perilune.typed, a function of perilune.java or a decoder gave to a table.
---@param object any
---@return string?
function value.class_of(object) end

--- A scalar with its type on the wire; perilune.java checks what goes in.
---@param cast 'int'|'long'|'double'|'float'|'short'|'byte'|'char'|'date'|'decimal'|'bigint'
---@param scalar any
---@return perilune.Boxed
function value.box(cast, scalar) end

--- Marks a plain table as a list, a map or entries of a class (nil: none), and returns it.
---@generic T: table
---@param kind 'object'|'list'|'map'|'entries'
---@param class string?
---@param content T
---@return T
function value.mark(kind, class, content) end

--- A scalar that came, or goes, with a type Lua does not have. `tostring` and `==` work.
---@class perilune.Boxed
---@field value number|string|ffi.cdata*

--- Immutable bytes; `#b`, `tostring(b)` and `==` work.
---@class perilune.Bytes
local bytes = {}

---@return string
function bytes:string() end

---@return integer
function bytes:len() end

return value
