-- SPDX-License-Identifier: MIT
-- The function behind `proxy:name`: filters around the choice of a node, the request, the end of the
-- call. It is generated with `load` for each number of arguments it is called with, so that arguments
-- stay values, no frame has variable arguments (the compiler cannot return from those), and what
-- waits is one frame: the stack of a call in flight then fits the first size of a coroutine's.
--
-- When no filter wants to see the result (each does nothing with `next` but return its call), the
-- chain ends before the wait: it gives direct.PENDING and what the request needs. Then nothing of it
-- is left to be unwound after the wait, and no guard.
local bytecode = require 'perilune.entry.bytecode'
local chain = require 'perilune.entry.chain'
local core = require 'perilune.core'
local direct = require 'perilune.cluster.direct'
local errors = require 'perilune.error'
local ffi = require 'ffi'
local outgoing = require 'perilune.entry.outgoing'
local waiting = require 'perilune.waiting'

local M = {}

-- ── the function ────────────────────────────────────────────────────────────────────────────────

local function copy(map)
  local result = {}
  for key, value in pairs(map) do
    result[key] = value
  end
  return result
end

local function pack(args, n)
  if n ~= #args then
    args.n = n
  end
  return args
end

-- How a function of `count` arguments takes them, keeps them for call.args and hands them over.
local function argument_texts(count)
  if count > outgoing.VALUES then
    return {
      params = '...',
      keep = ('args_of[slot] = pack({ ... }, %d)'):format(count),
      drop = '',
      send = '',
    }
  end
  local list = chain.numbered('a%d', count)
  local slots = chain.numbered('arg_%d[slot]', count)
  return {
    params = list,
    keep = count > 0 and ('%s = %s'):format(slots, list) or '',
    drop = count > 0 and ('%s = %s'):format(slots, chain.numbered('false', count)) or '',
    send = count > 0 and ', ' .. list or '',
  }
end

local HEAD = [[
local env, MID = ...
local names, filters, last, named = env.names, env.filters, env.last, env.named
local chain_failed, caught, from, again = env.chain_failed, env.caught, env.from, env.again
local waiting, clock, pack, copy, put = env.waiting, env.clock, env.pack, env.copy, env.put
local state, gens, deadlines, extras = env.state, env.gens, env.deadlines, env.extras
local Context, Call, PENDING, yield = env.Context, env.Call, env.PENDING, env.yield
local attachments, METHOD, WAIT, REQUEST = env.attachments, env.METHOD, env.WAIT, env.REQUEST
local args_of = env.args_of
local grow, close = state.grow, state.close
local error, rawequal, rawget, xpcall = error, rawequal, rawget, xpcall
local FLAGS, TIMEOUT = env.proto.flags, env.proto.timeout]]

-- Where a filter could call `next` again, or later. What a filter made itself passes.
local SEND_ONCE = [[
local dispatch, begun, repeated, istype = last, env.begun, env.repeated, env.istype
local function last(ctx, call)
  if istype(Context, ctx) then
    local slot = ctx.slot
    if begun[slot] ~= ctx.gen then repeated() end
    begun[slot] = false
  end
  return dispatch(ctx, call)
end]]

-- The locals beside the wait are few because they are part of what each call in flight costs.
local BODY = [[
return function(%(params)s)
  if waiting.forbidden then error(waiting.forbidden, 2) end
  local slot = state.free
  if slot == 0 then slot = grow() else state.free = deadlines[slot] end
  deadlines[slot] = clock() + TIMEOUT
  %(keep)s
  %(attach)s
  %(watch)s
  local ok, result, err, node, session, timeout, nodes =
    xpcall(%(first)s, chain_failed, Context(slot, gens[slot], MID), Call(slot, gens[slot], MID))
  if rawequal(result, PENDING) and ok then
    local own = extras[slot]
    ok, result, err, timeout, own = yield(
      WAIT, REQUEST, rawget(node, '_link').conn, session, METHOD, args_of[slot] or nil,
      timeout, own and own.call.attachments or nil, FLAGS, rawget(node, '_c')%(send)s)
    if ok then
      if err then put(slot, 'ctx', 'reply', err) err = nil end
    else
      ok, result, err = xpcall(again, chain_failed, Context(slot, gens[slot], MID),
        Call(slot, gens[slot], MID), nodes, node, session, result, err, timeout, own)
    end
  end
  if extras[slot] then close(slot) end
  local gen = gens[slot] + 1
  gens[slot] = gen < 4294967296 and gen or 0
  args_of[slot] = false
  %(drop)s
  deadlines[slot] = state.free
  state.free = slot
  if not ok then return nil, caught(result) end
  if err ~= nil then return nil, from(err) end
  return result
end]]

-- Between the guard and a chain that ends before the wait stands a frame that is returned to: a trace
-- that begins in the chain, or in what chooses the node, could not end with a return into xpcall, and
-- what fails to compile often enough is never compiled again.
local PREPARED = [[
local function prepared(ctx, call)
  local result, err, node, session, timeout, nodes = %s(ctx, call)
  return result, err, node, session, timeout, nodes
end]]

local function generate(title, filters, env, count)
  local out = { HEAD }
  for i = 1, math.min(count, outgoing.VALUES) do
    out[#out + 1] = ('local arg_%d = env.values[%d]'):format(i, i)
  end
  local texts = argument_texts(count)
  texts.first, texts.watch = #filters > 0 and 'link_1' or 'last', ''
  chain.filter_locals(out, filters)
  if env.last ~= env.prepare then
    outgoing.watch()
    out[#out + 1] = SEND_ONCE
    texts.watch = 'begun[slot] = gens[slot]'
  end
  chain.links(out, filters)
  if env.last == env.prepare then
    out[#out + 1] = PREPARED:format(texts.first)
    texts.first = 'prepared'
  end
  texts.attach = env.attachments and "put(slot, 'call', 'attachments', copy(attachments))" or ''
  out[#out + 1] = BODY:gsub('%%%((%a+)%)s', texts)
  return outgoing.add(env.proto, count, function(mid)
    return chain.compile(out, 'call ' .. title, env, mid)
  end)
end

-- What to say to who wrote a dot: the first argument would be lost.
---@param name string
---@return string
function M.colon(name)
  return ('%s is called with a colon: proxy:%s(...)'):format(name, name)
end

-- The function of a method with these filters.
---@param filters {name: string, fn: function}[]  the outermost first
---@param refer table
---@param proto table  what all calls have in common: interface, method, flags, timeout ...
---@param attachments? table  sent with each call
---@return fun(proxy: table, ...: any): any, any
function M.new(filters, refer, proto, attachments)
  local title = proto.interface .. '.' .. proto.method
  local names, fns = chain.filter_lists(filters)
  local env = {
    names = names,
    filters = fns,
    last = bytecode.all_before(filters) and refer.prepare or refer.dispatch,
    prepare = refer.prepare,
    named = chain.named,
    chain_failed = chain.thrown(title, 'filter or policy'),
    caught = chain.caught_by(title, 'filter or policy'),
    from = errors.from,
    again = direct.again,
    waiting = waiting,
    clock = core.clock,
    pack = pack,
    copy = copy,
    put = outgoing.put,
    state = outgoing,
    gens = outgoing.gens,
    deadlines = outgoing.deadlines,
    extras = outgoing.extras,
    values = outgoing.values,
    args_of = outgoing.args,
    begun = outgoing.begun,
    repeated = chain.repeated(title, names),
    istype = ffi.istype,
    Context = outgoing.Context,
    Call = outgoing.Call,
    PENDING = direct.PENDING,
    yield = core.yield,
    WAIT = core.WAIT,
    REQUEST = core.REQUEST,
    METHOD = proto.method,
    attachments = attachments,
    proto = proto,
  }
  local by_count = {}
  local function make(count)
    by_count[count] = generate(title, filters, env, count)
    return by_count[count]
  end
  local select, type = select, type
  return function(proxy, ...)
    if type(proxy) ~= 'table' then
      error(M.colon(proto.method), 2)
    end
    return (by_count[select('#', ...)] or make(select('#', ...)))(...)
  end
end

return M
