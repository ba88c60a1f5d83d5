-- SPDX-License-Identifier: MIT
-- Writes docs/errors.md from src/base/err_defs.h and the Java classes of the serializer, so that the page
-- cannot say otherwise: `luajit .ci/errors.lua > docs/errors.md`. A spec compares.

-- Code -> what whoever sees it does about it.
local ADVICE = {
  CANCELLED = 'nothing: the caller gave up or is gone; end what you do for it',
  UNKNOWN = 'read the message; handlers that fail on purpose use a code of this table',
  BAD_REQUEST = 'change the arguments; `details` lists the fields where a validator refused them',
  TIMEOUT = 'raise `timeout`, or find out what is slow (`slow`, `perilune status`); mark methods '
    .. '`idempotent` that may be repeated',
  NOT_FOUND = 'what was asked for is not there',
  ALREADY_EXISTS = 'what was to be made is there already',
  FORBIDDEN = 'the caller is known and may not: see `authorization`, `ip`, `method_list`',
  LIMITED = 'come back after `details.retry_after` ms where it is told; see `limiter`',
  PRECONDITION = 'bring about the state that is asked for first',
  ABORTED = 'begin the whole operation again',
  OUT_OF_RANGE = 'ask within the range',
  NO_METHOD = 'compare the name with `methods`, `include`, `exclude` of the export',
  INTERNAL = 'look into the log of whoever failed: the traceback stands there',
  UNAVAILABLE = 'try again later; an open circuit (`breaker`) answers this, too',
  DATA_LOSS = 'nothing can be done by trying again',
  UNAUTHENTICATED = 'give `token`, `auth` or `signature` as the provider wants it',
  OVERLOADED = 'try elsewhere or later; the message names the limit that was reached',
  SHUTDOWN = 'try elsewhere: the provider finishes its calls and ends',
  NO_SERVICE = 'compare interface and alias; the provider has ended or not begun the service',
  SESSION_LOST = 'nothing: the session is made anew and the call repeated',
  NO_NODE = 'the message says why none is left: nobody listed, none connected, or a selector',
  CLOSED = 'the connection ended; look at the provider, or at what is between',
  PROTOCOL = 'the peer speaks something else, or it is broken; the log has its tag',
  TOO_BIG = 'send less, or raise the limit that the message names, on both sides',
  NO_MEMORY = 'give the machine more, or lower the limits',
  SYSTEM = 'the operating system refused; the message says what',
  CONFIG = 'change the declaration or setting that the message names',
  CALL_OVER = 'do not keep ctx, call and bodies beyond their call',
}

local HEAD = [[
# Errors

Written by `.ci/errors.lua` from `src/base/err_defs.h`; change those, not this page.

A failed call gives `nil, err`. `err` has `code`, `message`, `cause`, `details`, `class` (of an exception from Java), `attempts` (of
a call that was tried more than once), `outcome`, `retryable`. Branch on `code`, show `tostring(err)`.

```lua
local text, err = greeter:hello 'moon'
if err and err.code == 'NOT_FOUND' then
  text = 'nobody'
elseif err then
  return nil, err -- as it came
end
```

`outcome` says what became of the attempt: `NOT_SENT` (it never left this process), `REFUSED` (the server says that it
did not run the call) or `UNKNOWN` (it may have run). The first two may always be repeated, the third only where the
method is `idempotent`. *Not run* marks codes that say so by themselves. What could not even be encoded (BAD_REQUEST,
TOO_BIG before it was sent) is not repeated.

Code, message and whether the call ran travel over every wire, `details` between Perilune peers (as MessagePack, up to
8 KiB; what is longer or cannot be encoded is left out, with a line in the log) and, if they are an exception, to Java.
`cause` and `attempts` are of this process. What all peers shall read belongs into the message: that of a validation
names every field.

A handler fails on purpose with `return nil, perilune.error('NOT_FOUND', 'no such greeting')`, or by raising that. A
string becomes UNKNOWN. What else it raises is INTERNAL to the caller, and a traceback in the log.

]]

local TAIL = [[

*Java class* is what a JoyRPC consumer gets; code and message are in it. Other classes of JoyRPC that are read:

]]

local function read(path)
  local file = assert(io.open(path))
  local text = file:read '*a'
  file:close()
  return text
end

local function classes()
  local sent, only_read = {}, {}
  local rows = read 'src/protocol/serializer/java_error.c'
  for package, name, code, send in rows:gmatch '{(%u*) ?"([%w%.]+)", PERI_E([%u_]+), %a+, (%a+)}' do
    if send == 'true' then
      sent[code] = sent[code] or name
    else
      local full = package ~= '' and 'io.joyrpc.exception.' .. name or name
      only_read[#only_read + 1] = { full, code }
    end
  end
  return sent, only_read
end

local out = { HEAD }
local function row(...)
  out[#out + 1] = '| ' .. table.concat({ ... }, ' | ') .. ' |\n'
end

local sent, only_read = classes()
row('code', 'number', 'means', 'not run', 'gRPC', 'HTTP', 'JSON-RPC', 'Java class', 'what to do')
out[#out + 1] = '|---|---|---|---|---|---|---|---|---|\n'
local pattern = 'X%(([%u_]+), (%d+), (%d), (%d+), (%d+), (%-%d+), "([^"]*)"%)'
for name, number, retry, grpc, http, json, text in read('src/base/err_defs.h'):gmatch(pattern) do
  local advice = assert(ADVICE[name], name .. ' has no advice in .ci/errors.lua')
  row(
    name,
    number,
    text,
    retry == '1' and 'yes' or '',
    grpc,
    http,
    json,
    sent[name] or 'RpcException',
    advice
  )
end
out[#out + 1] = TAIL
for _, class in ipairs(only_read) do
  out[#out + 1] = ('* `%s`: %s\n'):format(class[1], class[2])
end
io.write(table.concat(out))
