-- SPDX-License-Identifier: MIT
-- JoyRPC's envelopes by any serializer: `read` gives their fields, `write` their bytes.
local assert = require 'luassert'
local ffi = require 'ffi'
local c = require 'spec.support.c'

local lib = c.cdef('protocol/serializer.h', 'base/err.h')

local limits = ffi.new('peri_value_limits', 64, 2 ^ 20, 2 ^ 16, 8 * 2 ^ 20)
local request_fields = { 'iface', 'alias', 'method', 'args', 'args_type', 'attachments' }

local M = { limits = limits, request_fields = request_fields }

function M.code_name(code)
  return ffi.string(lib.peri_code_name(code))
end

-- `kind`: request or reply. nil, code and text when it is refused.
function M.read(serializer, kind, text)
  local out = ffi.new(kind == 'request' and 'peri_envelope' or 'peri_reply_envelope')
  local scratch, err = c.buf(), ffi.new 'peri_err'
  local rc = serializer['read_' .. kind](c.bytes(text), limits, scratch, out, err)
  if rc ~= 0 then
    return nil, M.code_name(rc), ffi.string(err.text)
  end
  local fields = kind == 'request' and request_fields or { 'type', 'message', 'result' }
  local found = {}
  for _, name in ipairs(fields) do
    found[name] = c.string(out[name])
  end
  if kind == 'reply' then
    found.failed, found.retry = out.failed, out.retry
    found.code = out.failed and M.code_name(out.code) or nil
  end
  return found
end

-- The body of an envelope around what `add(out)` puts into it.
function M.write(serializer, kind, fields, add)
  local envelope = ffi.new(kind == 'request' and 'peri_envelope' or 'peri_reply_envelope')
  local alive = {} -- luacheck: ignore 241 (what only C points at would be collected)
  for name, field in pairs(fields) do
    if type(field) == 'string' then
      alive[#alive + 1] = field
      envelope[name] = c.bytes(field)
    else
      envelope[name] = field
    end
  end
  local out = c.buf()
  lib.peri_buf_add(out, 'HEAD', 4)
  assert.equal(0, serializer['begin_' .. kind](out, envelope))
  if add then
    add(out)
  end
  assert.equal(0, serializer['end_' .. kind](out, envelope))
  return (c.string(out):gsub('^HEAD', ''))
end

return M
