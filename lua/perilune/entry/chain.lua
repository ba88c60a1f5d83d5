-- SPDX-License-Identifier: MIT
-- Compiles the chain of one method: filters around a handler (provider) or around the dispatch to a
-- node (consumer). The text is generated with `load`, once per method and VM, because closures that
-- share a prototype also share their traces, and a thousand methods in turn then leave compiled code
-- at every link. Generated text contains numbers and fixed words only, never a name from outside.
local core = require 'perilune.core'
local context = require 'perilune.entry.context'
local errors = require 'perilune.error'
local ffi = require 'ffi'
local jit_util = require 'jit.util'

local M = {}

-- Number of the bytecode that ends a function without values.
local RET0 = (require('jit.vmdef').bcnames:find('RET0  ', 1, true) - 1) / 6

local numbers = core.code_numbers()

-- Replies as src/lua/serve.h numbers them.
local NIL, VALUE, BODY, ERROR = 0, 1, 2, 3

-- What a failed chain returns to C.
local function failure(err)
  err = errors.from(err)
  return ERROR, numbers[err.code], err.message, err.outcome == 'REFUSED' or err.outcome == 'NOT_SENT'
end

-- Log lines about thrown errors, rate-limited per place by C through the tag.
local function thrown(title, what)
  return function(message)
    if errors.is(message) then
      return message
    end
    local text = debug.traceback(('%s: %s: %s'):format(title, what, tostring(message)), 2)
    core.log('error', 'SCRIPT-ERROR', text)
    return errors.new('INTERNAL', 'internal error')
  end
end

-- A filter that returns nothing at all has forgotten `return next(ctx, call)`.
local function named(name, ...)
  if select('#', ...) == 0 then
    error(("filter '%s' returned nothing; did it forget `return next(ctx, call)`?"):format(name), 0)
  end
  return ...
end

local function warn_more(title)
  local warned = false
  return function()
    if not warned then
      warned = true
      core.log('warn', 'RESULT-DROPPED', title .. ' returned more than one value; only the first is sent')
    end
  end
end

-- Can `fn` end without a return statement? Read from its bytecode, so that the check for results
-- (a vararg call, which compiled code cannot leave) is only paid by filters that need it.
local function may_return_nothing(fn)
  local info = jit_util.funcinfo(fn)
  if not info.bytecodes then
    return true -- a C function
  end
  for pc = 1, info.bytecodes - 1 do
    local op = bit.band(jit_util.funcbc(fn, pc), 0xff)
    if op == RET0 then
      return true
    end
  end
  return false
end

-- link_1 calls filter 1 with link_2 as next, and so on; `last` ends the chain.
local function links(out, filters)
  for i = #filters, 1, -1 do
    local next_link = i == #filters and 'last' or 'link_' .. i + 1
    local text = ('filter_%d(ctx, call, %s)'):format(i, next_link)
    if may_return_nothing(filters[i].fn) then
      text = ('named(name_%d, %s)'):format(i, text)
    end
    out[#out + 1] = ('local function link_%d(ctx, call) return %s end'):format(i, text)
  end
end

local function filter_locals(out, filters)
  for i = 1, #filters do
    out[#out + 1] = ('local name_%d, filter_%d = names[%d], filters[%d]'):format(i, i, i, i)
  end
end

local function filter_lists(filters)
  local names, fns = {}, {}
  for i, filter in ipairs(filters) do
    names[i], fns[i] = filter.name, filter.fn
  end
  return names, fns
end

local function compile(out, title, env)
  local text = table.concat(out, '\n')
  local chunk = assert(loadstring(text, '=chain ' .. title))
  return chunk(env)
end

-- How the handler is called: with the body, with its fixed parameters, or with all arguments.
local function call_handler(method)
  if method.body then
    return 'xpcall(handler, handler_failed, ctx, body or Body(ctx.slot, ctx.gen, MID))', ''
  end
  local info = debug.getinfo(method.handler, 'u')
  if info.isvararg then
    return 'xpcall(handler, handler_failed, ctx, unpack(args, 1, args.n or count_of(args)))',
      'local args = args_of[ctx.slot] or {Body(ctx.slot, ctx.gen, MID)}'
  end
  local parts = {}
  for i = 1, math.max(info.nparams - 1, 0) do
    parts[i] = ('args[%d]'):format(i)
  end
  -- Raw requests bring no decoded arguments: the body is the only one.
  local first = 'local args = args_of[ctx.slot] or {Body(ctx.slot, ctx.gen, MID)}'
  if #parts == 0 then
    return 'xpcall(handler, handler_failed, ctx)', ''
  elseif #parts == 1 then
    return 'xpcall(handler, handler_failed, ctx, first)',
      'local args, first = args_of[ctx.slot] '
        .. 'if args then first = args[1] else first = Body(ctx.slot, ctx.gen, MID) end'
  end
  return ('xpcall(handler, handler_failed, ctx, %s)'):format(table.concat(parts, ', ')), first
end

-- The chain of an exported method.
---@param method {title: string, mid: integer, handler: function, body: boolean}
---@param filters {name: string, fn: function}[]  in order, outermost first
---@return fun(slot: integer, gen: integer, args: any, count: any): integer, any, any, any
function M.provider(method, filters)
  local names, fns = filter_lists(filters)
  local invoke, prepare = call_handler(method)
  local out = {
    'local env = ...',
    'local names, filters, handler, named = env.names, env.filters, env.handler, env.named',
    'local Context, Call, Body, istype = env.Context, env.Call, env.Body, env.istype',
    'local args_of, sides, close, failure = env.args_of, env.sides, env.close, env.failure',
    'local from, handler_failed, chain_failed, more = env.from, env.handler_failed, env.chain_failed, env.more',
    'local finish, count_of, mids = env.finish, env.count_of, env.mids',
    'local xpcall, unpack = xpcall, unpack',
    ('local MID = %d'):format(method.mid),
    'local body = nil',
  }
  filter_locals(out, filters)
  out[#out + 1] = ([[
local function last(ctx, call)
  %s
  local ok, result, err, extra = %s
  if ok then
    if result ~= nil then
      if err ~= nil then more() end
      return result
    end
    if err == nil then return nil end
    return nil, from(err)
  end
  return nil, result
end]]):format(prepare, invoke)
  links(out, filters)
  out[#out + 1] = ([[
return function(slot, gen, args, count)
  args_of[slot], mids[slot] = args or false, MID
  if args and count ~= #args then args.n = count end
  local ok, result, err = xpcall(%s, chain_failed, Context(slot, gen, MID), Call(slot, gen, MID))
  args_of[slot] = false
  if sides[slot] then finish(slot, gen) end
  if ok and err == nil then
    if result == nil then return %d end
    if istype(Body, result) then return %d, result.slot, result.gen end
    return %d, result
  end
  if not ok then err = result end
  return failure(err)
end]]):format(#filters > 0 and 'link_1' or 'last', NIL, BODY, VALUE)
  return compile(out, method.title, {
    names = names,
    filters = fns,
    handler = method.handler,
    named = named,
    Context = context.Context,
    Call = context.Call,
    Body = context.Body,
    istype = ffi.istype,
    args_of = context.args,
    sides = context.sides,
    finish = M.finish,
    mids = context.mids,
    failure = failure,
    from = errors.from,
    count_of = function(args)
      return #args
    end,
    handler_failed = thrown(method.title, 'handler'),
    chain_failed = thrown(method.title, 'filter'),
    more = warn_more(method.title),
  })
end

-- The end of a call that left something in a side table: reply attachments, on_end functions.
function M.finish(slot, gen)
  local side = context.sides[slot]
  if side.gen == gen and side.reply and next(side.reply) ~= nil then
    local ok, message = pcall(core.call_reply_attachments, slot, gen, side.reply)
    if not ok then
      core.log('error', 'REPLY-ATTACHMENTS', tostring(message))
    end
  end
  context.close(slot)
end

-- The chain of a consumer method: filters around `dispatch(ctx, call)`.
---@param title string
---@param filters {name: string, fn: function}[]
---@param dispatch fun(ctx: table, call: table): any, any
---@return fun(ctx: table, call: table): boolean, any, any
function M.consumer(title, filters, dispatch)
  local names, fns = filter_lists(filters)
  local out = {
    'local env = ...',
    'local names, filters, last, named = env.names, env.filters, env.dispatch, env.named',
    'local chain_failed, xpcall = env.chain_failed, xpcall',
  }
  filter_locals(out, filters)
  links(out, filters)
  out[#out + 1] = ([[
return function(ctx, call)
  local ok, result, err = xpcall(%s, chain_failed, ctx, call)
  if ok then return result, err end
  return nil, result
end]]):format(#filters > 0 and 'link_1' or 'last')
  return compile(out, title, {
    names = names,
    filters = fns,
    dispatch = dispatch,
    named = named,
    chain_failed = thrown(title, 'filter'),
  })
end

return M
