-- SPDX-License-Identifier: MIT
-- Compiles the chain of one method: filters around a handler (provider) or around the dispatch to a
-- node (consumer). The text is generated with `load`, once per method and VM, because closures that
-- share a prototype also share their traces, and a thousand methods in turn then leave compiled code
-- at every link. Generated text contains numbers and fixed words only, never a name from outside.
local bytecode = require 'perilune.entry.bytecode'
local core = require 'perilune.core'
local context = require 'perilune.entry.context'
local errors = require 'perilune.error'
local ffi = require 'ffi'
local source = require 'perilune.source'

local M = {}

local class_of = core.class_of
local numbers = core.code_numbers()

-- What `next` gives where the handler is called later. A function, since compiled code knows it for what it
-- is, and would load a table.
local function PENDING() end

-- What a failed chain returns to C.
local function failure(err)
  err = errors.from(err)
  local refused = err.outcome == 'REFUSED' or err.outcome == 'NOT_SENT'
  local details = err.details
  if details ~= nil then
    local class = type(details) == 'table' and class_of(details) or nil
    return numbers[err.code] or 0, err.message, refused, details, class
  end
  return numbers[err.code] or 0, err.message, refused
end

local library = debug.getinfo(1, 'S').source:match '^(@.*)entry/chain%.lua$' or '@lua/perilune/'

local function ours(from)
  return from:match '^=chain ' or from:match '^=call ' or from:sub(1, #library) == library
end

local function is_handle(value, what)
  local kind = type(value)
  return kind == 'table' or kind == 'cdata' and tostring(value):sub(1, #what) == what
end

-- A filter that calls `next` with something else than ctx and call fails somewhere in our code; looks for
-- that on the stack of what failed, and says what it was.
local function misused()
  for level = 2, 16 do
    local info = debug.getinfo(level, 'S')
    if not info then
      return nil
    end
    local name, ctx = debug.getlocal(level, 1)
    local second, call = debug.getlocal(level, 2)
    if name == 'ctx' and ours(info.source) then
      if not is_handle(ctx, 'ctx of ') or second == 'call' and not is_handle(call, 'call of ') then
        return 'a filter called next without ctx and call; write next(ctx, call): '
      end
    end
  end
end

-- Log lines about thrown errors, rate-limited per place by C through the tag.
local function thrown(title, what)
  return function(message)
    if errors.is(message) then
      return message
    end
    local hint = what ~= 'handler' and misused() or ''
    local text = ('%s: %s: %s%s'):format(title, what, hint, tostring(message))
    text = debug.traceback(text, 2)
    core.log('error', 'SCRIPT-ERROR', text)
    return errors.new('INTERNAL', 'internal error')
  end
end

-- What a guard caught. No error object means that `thrown` itself failed, for want of stack or memory. Without
-- a title it is the method whose call runs.
local function caught_by(title, what)
  return function(err)
    if errors.is(err) then
      return err
    end
    local _, _, mid = core.current()
    local name = title or mid and context.methods[mid].title or 'a method'
    local text = '%s: %s: stack overflow, or no memory: %s'
    core.log('error', 'SCRIPT-ERROR', text:format(name, what, tostring(err)))
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

local function unpack_args(args)
  return unpack(args, 1, args.n or #args)
end

local function warn_more(title)
  local warned = false
  return function()
    if not warned then
      warned = true
      core.log(
        'warn',
        'RESULT-DROPPED',
        title .. ' returned more than one value; only the first is sent'
      )
    end
  end
end

-- link_1 calls filter 1 with link_2 as next, and so on; `last` ends the chain.
local function links(out, filters)
  for i = #filters, 1, -1 do
    local next_link = i == #filters and 'last' or 'link_' .. i + 1
    local text = ('filter_%d(ctx, call, %s)'):format(i, next_link)
    if bytecode.may_return_nothing(filters[i].fn) then
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

-- Raises for a filter that calls `next` again, or keeps it for later: the handler would run a second time,
-- or work for a call that is over. Only the end of the chain can tell, so it names them all.
local function repeated(title, names)
  local text = ('%s: one of its filters (%s) called next a second time, or after the call'):format(
    title,
    table.concat(names, ', ')
  )
  return function()
    error(text, 0)
  end
end

local function compile(out, name, env, mid)
  return source.generated(table.concat(out, '\n'), '=' .. name)(env, mid)
end

-- Most arguments that travel as values of their own; handlers with more get them through a table.
local MAX_ARITY = 8

-- Arguments a handler takes besides ctx, or nil when only a table can carry them.
---@param handler function
---@return integer?
function M.arity(handler)
  local info = debug.getinfo(handler, 'u')
  local arity = math.max(info.nparams - 1, 0)
  return not info.isvararg and arity <= MAX_ARITY and arity or nil
end

local function numbered(format, count, separator)
  local parts = {}
  for i = 1, count do
    parts[i] = format:format(i)
  end
  return table.concat(parts, separator or ', ')
end

-- How a chain takes its arguments and hands them to the handler: parameters of the chain, a statement
-- that keeps them per slot, one that lets go of them, and the call of the handler, in which
-- RUN(arguments) stands for the way it is called.
--   body    the undecoded bytes
--   table   one table in args_of, for handlers with a variable number
--   values  one table per position, indexed by slot, so that no table is made per call; a filter that
--           looks at call.args makes one, which then wins
-- args_of[slot] is false (the argument is the body, made when the handler is called), true (values lie in
-- their tables) or a table.
local function body_arguments()
  return {
    params = '',
    keep = 'args_of[slot] = false',
    drop = 'if args_of[slot] then args_of[slot] = false end',
    call = 'RUN(, Body(slot, gen, MID))',
  }
end

local function table_arguments()
  return {
    params = ', count, args',
    keep = 'if args then args.n = count end '
      .. 'args_of[slot] = args or { Body(slot, gen, MID), n = 1 }',
    drop = 'args_of[slot] = false',
    call = 'RUN(, unpack_args(args_of[slot]))',
  }
end

-- Arguments beyond those the handler takes are decoded again for filters, into the table that wins.
local function value_arguments(arity, filtered)
  local kept = filtered and ('count > %d and all_args(slot, gen) or true'):format(arity) or 'true'
  local slots, values = numbered('arg_%d[slot]', arity), numbered('a%d', arity)
  local texts = {
    params = ', count',
    keep = ('if count then args_of[slot] = %s else args_of[slot] = false end'):format(kept),
    drop = 'if args_of[slot] then args_of[slot] = false end',
    call = 'RUN()',
  }
  if arity > 0 then
    texts.params = ', count, ' .. values
    texts.keep = ('if count then args_of[slot] = %s %s = %s else args_of[slot] = false end'):format(
      kept,
      slots,
      values
    )
    texts.drop = ('if args_of[slot] then args_of[slot], %s = false, %s end'):format(
      slots,
      numbered('false', arity)
    )
    texts.call = ([[
  local args = args_of[slot]
  if not args then
    RUN(, Body(slot, gen, MID))
  elseif args == true then
    RUN(, %s)
  else
    RUN(, %s)
  end]]):format(slots, numbered('args[%d]', arity))
  end
  return texts
end

local function argument_texts(method, filtered)
  if method.body then
    return body_arguments()
  end
  return method.arity and value_arguments(method.arity, filtered) or table_arguments()
end

-- The end of a call that left something in a side table: reply attachments, on_end functions.
local function close(slot, gen)
  local side = context.sides[slot]
  if side.gen == gen and side.reply and next(side.reply) ~= nil then
    local ok, message = pcall(core.call_reply_attachments, slot, gen, side.reply)
    if not ok then
      core.log('error', 'REPLY-ATTACHMENTS', tostring(message))
    end
  end
  context.close(slot)
end

-- What a chain does when its filters are done: lets go of the arguments and says what the reply is. One
-- function for all methods of one kind: after a wait the interpreter runs the rest of a chain, and this
-- is compiled; and what a thousand chains would each bring along stays in the cache. With `more` result and
-- err are the handler's own.
local finishes = {}
local function finish_of(texts, arity)
  local finish = finishes[texts.drop]
  if finish then
    return finish
  end
  local out = {
    'local env = ...',
    'local args_of, sides, close, failure = env.args_of, env.sides, env.close, env.failure',
    'local Body, istype, type, caught = env.Body, env.istype, type, env.caught',
    'local live = env.live',
  }
  for i = 1, arity or 0 do
    out[#out + 1] = ('local arg_%d = env.arg_slots[%d]'):format(i, i)
  end
  out[#out + 1] = ([[
return function(slot, gen, more, ok, result, err)
  %s
  if sides[slot] then close(slot, gen) end
  local kind = type(result)
  if err ~= nil and more and kind ~= 'nil' then
    more()
    err = nil
  end
  live[slot] = false
  if not ok then return failure(caught(result)) end
  if err ~= nil then return failure(err) end
  if kind == 'nil' then return end
  if kind == 'cdata' and istype(Body, result) then
    if result.slot == slot and result.gen == gen then return true end
    return true, result.slot, result.gen
  end
  return false, result
end]]):format(texts.drop)
  finish = compile(out, 'chain finish', {
    args_of = context.args,
    arg_slots = context.arg_slots,
    sides = context.sides,
    live = context.live,
    close = close,
    failure = failure,
    Body = context.Body,
    istype = ffi.istype,
    caught = caught_by(nil, 'handler or filter'),
  })
  finishes[texts.drop] = finish
  return finish
end

local START = [[
return function(slot, gen%(params)s)
  if not gen then return end
  %(keep)s
  live[slot] = gen
]]

-- Filters that only go before see no result: `next` gives them PENDING, and when all of them are done the
-- chain calls the handler itself. A wait then keeps nothing of them, one frame is returned through after
-- it, and the handles they had need not exist. They cannot call `next` twice or later. Where one hands on
-- something in place of ctx, the handler is called with that, or it fails, as behind others.
local BEFORE = 'if istype(Context, ctx) then return PENDING end'
local RUN_BEFORE = [[
  do
    local ok, result, err =
      xpcall(link_1, chain_failed, Context(slot, gen, MID), Call(slot, gen, MID))
    if not ok or not rawequal(result, PENDING) then return finish(slot, gen, nil, ok, result, err) end
  end
]]
local DIRECT = 'return finish(slot, gen, more, '
  .. 'xpcall(handler, handler_failed, Context(slot, gen, MID)%s))'

-- Others are around the handler, which has a guard of its own so that they see what it throws. `live` tells
-- who calls `next` again.
local LAST = [[
local function last(ctx)
  %(before)s
  local slot, gen, ok, result, err = ctx.slot, ctx.gen
  if live[slot] ~= gen then repeated() end
  live[slot] = -gen
  %(within)s
  if ok then
    if err == nil then return result end
    if type(result) ~= 'nil' then more() return result end
    return nil, from(err)
  end
  return nil, caught(result)
end]]
local GUARDED = 'ok, result, err = xpcall(handler, handler_failed, ctx%s)'
-- The results become locals first: among the arguments of `finish` the guard would stand higher, and what
-- waits within it would not fit the first size of a coroutine's stack.
local RUN_AROUND = [[
  local ok, result, err = xpcall(link_1, chain_failed, Context(slot, gen, MID), Call(slot, gen, MID))
  return finish(slot, gen, nil, ok, result, err)
]]

-- Adds the functions of a provider's chain to the text.
local function provider_text(out, filters, texts)
  local around = not bytecode.all_before(filters)
  local function calls(how)
    return (
      texts.call:gsub('RUN(%b())', function(arguments)
        return how:format(arguments:sub(2, -2))
      end)
    )
  end
  texts.within, texts.after = calls(GUARDED), calls(DIRECT)
  texts.before = around and '' or BEFORE
  local function add(text)
    out[#out + 1] = text:gsub('%%%((%a+)%)s', texts)
  end
  filter_locals(out, filters)
  if #filters > 0 then
    add(LAST)
  end
  links(out, filters)
  add(START)
  if #filters > 0 then
    add(around and RUN_AROUND or RUN_BEFORE)
  end
  add(around and 'end' or '%(after)s end')
end

-- The tables that every chain looks at stand in variables of its own chunk; all chains share those of this
-- function instead, so that calls of a thousand methods find them in one place.
local args_of, live = context.args, context.live
local function shared()
  return args_of, live
end
local SHARED = { args_of = 1, live = 2 }

local function share(chain)
  local i, name = 1, debug.getupvalue(chain, 1)
  while name do
    if SHARED[name] then
      debug.upvaluejoin(chain, i, shared, SHARED[name])
    end
    i = i + 1
    name = debug.getupvalue(chain, i)
  end
  return chain
end

-- The chain of an exported method. C calls it with the slot and generation of the call, then with
-- nothing (the body is the argument), or with the count of arguments and the arguments themselves
-- (`arity` of them), or with the count and a table; without a call it does nothing. What it returns
-- stands in src/lua/serve.h.
---@param method {title: string, mid: integer, handler: function, body: boolean, arity: integer?}
---@param filters {name: string, fn: function}[]  the outermost first
---@return fun(slot: integer, gen: integer, ...: any): any, any, any, any
function M.provider(method, filters)
  local names, fns = filter_lists(filters)
  local texts = argument_texts(method, #filters > 0)
  local out = {
    'local env, MID = ...',
    'local names, filters, handler, named = env.names, env.filters, env.handler, env.named',
    'local Context, Call, Body = env.Context, env.Call, env.Body',
    'local args_of, finish, all_args = env.args_of, env.finish, env.all_args',
    'local handler_failed, chain_failed = env.handler_failed, env.chain_failed',
    'local unpack_args, live, repeated = env.unpack_args, env.live, env.repeated',
    'local from, more, caught, xpcall, type = env.from, env.more, env.caught, xpcall, type',
    'local rawequal, istype, PENDING = rawequal, env.istype, env.PENDING',
  }
  for i = 1, method.arity or 0 do
    out[#out + 1] = ('local arg_%d = env.arg_slots[%d]'):format(i, i)
  end
  provider_text(out, filters, texts)
  local env = {
    names = names,
    filters = fns,
    handler = method.handler,
    named = named,
    Context = context.Context,
    Call = context.Call,
    Body = context.Body,
    args_of = context.args,
    arg_slots = context.arg_slots,
    finish = finish_of(texts, method.arity),
    from = errors.from,
    unpack_args = unpack_args,
    all_args = core.call_args,
    caught = caught_by(method.title, 'handler'),
    live = context.live,
    istype = ffi.istype,
    PENDING = PENDING,
    repeated = repeated(method.title, names),
    handler_failed = thrown(method.title, 'handler'),
    chain_failed = thrown(method.title, 'filter'),
    more = warn_more(method.title),
  }
  return share(compile(out, 'chain ' .. method.title, env, method.mid))
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
    'local chain_failed, caught, from, xpcall = env.chain_failed, env.caught, env.from, xpcall',
  }
  filter_locals(out, filters)
  links(out, filters)
  out[#out + 1] = ([[
return function(ctx, call)
  local ok, result, err = xpcall(%s, chain_failed, ctx, call)
  if not ok then return nil, caught(result) end
  if err ~= nil then return nil, from(err) end
  return result
end]]):format(#filters > 0 and 'link_1' or 'last')
  return compile(out, 'call ' .. title, {
    names = names,
    filters = fns,
    dispatch = dispatch,
    named = named,
    caught = caught_by(title, 'filter or policy'),
    from = errors.from,
    chain_failed = thrown(title, 'filter'),
  })
end

-- What entry/method.lua builds its functions of.
M.caught_by, M.thrown, M.named, M.repeated = caught_by, thrown, named, repeated
M.links, M.filter_locals, M.filter_lists = links, filter_locals, filter_lists
M.compile, M.numbered = compile, numbered

return M
