-- SPDX-License-Identifier: MIT
-- What the C core gives to the Lua half, as `require 'perilune.core'`. Internal: users see the module
-- `perilune`, policies see `perilune.policy`. Functions marked async park the calling fiber and can
-- only be called in one; all others return at once. Errors that can happen are returned as
-- `nil, code, message` (code is a name such as 'UNAVAILABLE'); misuse raises.
---@meta perilune.core
error('perilune.core is made by the perilune binary; this file only describes it')

---@class perilune.core
local core = {}

--- 'control' or 'worker', its number (0 = control, 1..n), and how many workers the process has.
---@type string
core.role = nil
---@type integer
core.worker = nil
---@type integer
core.workers = nil
---@type integer  threads that run handlers for the workers
core.executors = nil
---@type string  version of the binary
core.version = nil
---@type boolean  inside another program
core.embedded = nil
---@type string  folder of the Lua library the binary uses
core.library = nil
---@type string[]  command line, [0] = the program
core.argv = nil
---@type userdata  first value of each wait that a fiber yields; see perilune.fiber
core.WAIT = nil
---@type fun(...): any ...  coroutine.yield as it was made; waits are yielded with it
core.yield = nil
---@type integer  number of the wait that core.request yields
core.REQUEST = nil
---@type userdata  address of the turn's time in ns, a uint64_t; see perilune.fiber
core.now = nil
---@type userdata?  the peri_server of this VM; the peri_shared of the process, where there is one
core.server = nil
---@type userdata?
core.shared = nil

-- ── fibers ────────────────────────────────────────────────────────────────────────────────────

--- Runs `fn(a, b)` in a fiber of its own, in this turn's drain after what is queued already.
--- The fiber inherits the running fiber's deadline, trace and cancellation unless `detached`.
---@param fn function
---@param a any
---@param b any
---@param detached? boolean
---@param generation? integer  of what is detached; else that of the running fiber
---@return integer fiber id
function core.spawn(fn, a, b, detached, generation) end

--- The generation of scripts that the running fiber works for; 0 = none, the library's own work.
---@return integer
function core.generation() end
--- Which generation is the current one from now on.
---@param generation integer
function core.set_generation(generation) end
--- Is the running fiber background work (no call waits for it) of a generation that was replaced?
---@return boolean
function core.retired() end
--- What a generation still has to do in this VM: calls in progress, and all its fibers.
---@param generation integer
---@return integer calls
---@return integer fibers
function core.held(generation) end
--- Cancels the fibers of a generation that work for no call.
---@param generation integer
function core.cancel_background(generation) end

--- Id of the running fiber, 0 outside of one (while loading, in a selector called from C ...).
---@return integer
function core.fiber() end

--- Cancels a fiber: what it waits for ends now with CANCELLED. False when it is over.
---@param fiber integer
---@return boolean
function core.cancel(fiber) end

--- What is parked: one record per fiber, for specs and `perilune fibers`.
---@param most? integer
---@return {id: integer, wait: string, since: number, traceback: string, call?: string, peer?: string, left?: number, ends?: number, generation: integer, cancelled?: string}[]
---@return integer total
function core.fibers(most) end

--- Parks for `ms` milliseconds (0 = until the next turn). Returns nothing, or the code that ended the
--- wait.
---@async
---@param ms number
---@return string?
function core.sleep(ms) end

--- Parks until core.wake(token) or for `ms` (nil = until the deadline of the fiber). The token is
--- the fiber's id. Returns true and the value given to wake, or false and 'TIMEOUT' | 'CANCELLED'.
---@async
---@param ms? number
---@return boolean, any
function core.park(ms) end

--- Wakes a fiber parked in core.park with `value`; runs in this turn's drain. False when it is not
--- parked (any more).
---@param fiber integer
---@param value any
---@return boolean
function core.wake(fiber, value) end

--- Name of the code that ended the running fiber's task (CANCELLED, TIMEOUT ...), or nil.
---@return string?
function core.cancelled() end
--- Is the running coroutine the fiber's own, and not one a script made inside it?
---@return boolean
function core.in_fiber() end

--- Milliseconds left of the running fiber's deadline, or nil when it has none.
---@return number?
function core.left() end
--- Sets the running fiber's deadline to at most `ms` from now; returns the old rest for core.restore.
---@param ms number
---@return number?
function core.limit(ms) end
---@param left number?
function core.restore(left) end

-- ── time, randomness, counters ────────────────────────────────────────────────────────────────

--- The turn's time in ms (monotonic, with fraction); wall clock in ms; exact time in ms.
---@return number
function core.clock() end
---@return number
function core.walltime() end
---@return number
function core.hrtime() end
--- Uniform in [0,1), or an integer in [1, n].
---@param n? integer
---@return number
function core.random(n) end

--- Process-wide atomic counters and a bounded key-value store with expiry.
--- incr returns the new value; get nil when absent or expired.
---@param name string
---@param by number
---@param limit? number  the counter is left alone and nil returned if it would exceed this
---@return number?
function core.shared_incr(name, by, limit) end
--- Digests as 64 hexadecimal digits.
---@param data string
---@return string
function core.sha256(data) end
---@param key string
---@param data string
---@return string
function core.hmac_sha256(key, data) end
--- Declares a Java class for the process: the constants of an enum, or fields and their types in order.
---@param name string
---@param names string[]
---@param types? string[]  nil: an enum
---@return boolean? ok
---@return string? message
function core.declare_class(name, names, types) end
--- Declares that a Java class is an enum, unless more is known of it.
---@param name string
function core.declare_enum(name) end
---@param text string
---@return perilune.Bytes?  nil when it is no base64
function core.base64_decode(text) end
--- A text that is the same for equal values: nil when it is longer than `limit` or tables are nested too
--- deep, false when the core cannot tell (too many values, or one of a type that no format has).
---@param prefix string
---@param values table
---@param n integer
---@param limit integer
---@return string|false|nil
function core.key(prefix, values, n, limit) end
--- A deep copy and the bytes it costs, about; nothing when it cannot be kept.
---@param value any
---@param limit? number  bytes, 16 MiB
---@return any
---@return integer?
function core.kept(value, limit) end
--- The number of a list of Java type names, for core.request's flags.
---@param types string[]
---@return integer
function core.argument_types(types) end
--- Equal? Takes as long for a wrong string as for a right one of its length.
---@param a string
---@param b string
---@return boolean
function core.same(a, b) end
---@param key string
---@return string|number|boolean|nil
function core.shared_get(key) end
---@param key string
---@param value string|number|boolean|nil
---@param ttl_ms? number
---@return boolean
function core.shared_set(key, value, ttl_ms) end

--- Writes one log line. level: 'debug' | 'info' | 'warn' | 'error'.
---@param level string
---@param tag string
---@param text string
---@param fields? table
function core.log(level, tag, text, fields) end

-- ── serving ───────────────────────────────────────────────────────────────────────────────────

---@class perilune.core.Method
---@field name string
---@field chain fun(slot: integer, gen: integer, ...: any): integer, any, any, any
---@field arity integer?  arguments the chain takes as values; nil = in one table
---@field body boolean  the handler wants the undecoded body whatever the serialization
---@field pooled? boolean  executors run it
---@field timeout integer  ms
---@field concurrency integer  most calls at once in the process, 0 = no limit

--- Puts a service into this VM's table of exporters (of the generation being loaded).
---@param interface string
---@param alias string
---@param methods perilune.core.Method[]
---@param options table  int64 = 'number'|'cdata'|'string', generation = integer, ramped = boolean
---@return integer exporter id
function core.export(interface, alias, methods, options) end
--- These methods instead of those it has, at once. Calls in progress keep their chains; methods that
--- are not among them answer NO_METHOD.
---@param id integer
---@param _ nil
---@param methods perilune.core.Method[]
---@param options table
---@return boolean
function core.reexport(id, _, methods, options) end
---@param id integer
function core.unexport(id) end

--- Reads of a call in progress; `nil` when the call is over. Names: interface, alias, method, peer,
--- serializer, plain, timeout_left, body_len, attachments (decoded), identity, worker, native.
---@param slot integer
---@param gen integer
---@param name string
---@return any
function core.call_get(slot, gen, name) end
--- Is this call still in progress?
---@return boolean
function core.call_alive(slot, gen) end
--- Slot, generation and method of the call the running fiber works for; nothing when there is none.
---@return integer? slot
---@return integer? gen
---@return integer? mid number of its method
function core.current() end
--- Called with the chain of a method before each of its first calls, and whether it is the last of them.
---@param fn fun(chain: function, last: boolean)
function core.on_cold(fn) end
--- Called before and after each turn of work that no call waits for, of a generation that does not serve yet or
--- no more.
---@param fn fun(begins: boolean)
function core.on_aside(fn) end
--- Refuses new calls and says goodbye on each accepted connection.
function core.drain() end
--- What this worker counted for each exported method, at most so many. `took`: ms from arrival to reply of
--- the calls of late, each value followed by how many took that long.
---@param most integer
---@return {interface: string, alias: string, method: string, calls: number, errors: number, rejected: number, active: number, busy_ms: number, took: number[]}[]
function core.method_stats(most) end
--- The calls in the queue stood still for `ms` because the worker did something else on purpose: that
--- does not count as waiting.
---@param ms number
function core.forgive(ms) end
--- Calls in progress or queued, and client connections, of this VM.
---@return integer
function core.calls() end
---@return integer
function core.links() end

--- Names of the protocols spoken here; they are schemes of URLs too.
---@return string[]
function core.protocols() end
--- Requests on a client connection that wait for their answer.
---@param conn integer
---@return integer
function core.expecting(conn) end
--- Called in a fiber of its own for each session that wants to authenticate; answers through
--- core.authenticated.
---@param fn fun(request: perilune.AuthRequest)
function core.on_authenticate(fn) end
---@param conn integer
---@param session integer
---@param request integer
---@param passed boolean
---@param why? string
---@param identity? string
function core.authenticated(conn, session, request, passed, why, identity) end
--- Called in a fiber of its own when a peer has begun or ended a session; nil = no more.
---@param fn? fun(session: table, opened: boolean)  connection, session, interface, alias, peer, native
function core.on_session(fn) end
--- Wire numbers of the error codes, negative, by name.
---@return table<string, integer>
function core.code_numbers() end
--- Sets the attachments that go back with the reply.
function core.call_reply_attachments(slot, gen, map) end
--- Undecoded body as a string (a copy), from byte i to j.
function core.call_body(slot, gen, i, j) end
--- All arguments, decoded anew, with `n`; false when they cannot be decoded.
function core.call_args(slot, gen) end

-- ── calling ───────────────────────────────────────────────────────────────────────────────────

--- Connects, and speaks `protocol` (default: what the scheme names, else 'joyrpc') on
--- the channel. Connection ids are numbers and
--- never reused. `on_close(conn, code)` is called in a fiber of its own exactly once after success,
--- `on_drain(conn)` when the peer says goodbye.
---@async
---@param url string
---@param options? {timeout?: number, protocol?: string, on_close?: function, on_drain?: function}
---@return integer? conn
---@return string? code
---@return string? message
function core.connect(url, options) end

---@class perilune.core.Session
---@field id integer
---@field native boolean
---@field serializer string
---@field compression string?
---@field remote_start number  ms, wall clock; 0 unknown
---@field attributes table

--- Negotiates a session for a service on a connection.
---@async
---@param conn integer
---@param params {interface: string, alias: string, serialization?: string, compression?: string, timeout?: number, attributes?: table<string,string>, auth?: {type: string, attributes: table<string,string>}}
---@return perilune.core.Session?
---@return string? code
---@return string? message
function core.session(conn, params) end

--- Sends one request and parks until its answer. On success returns true, the result and the
--- reply's attachments (nil when none); else false, code name, message, outcome: 'NOT_SENT'
--- | 'REFUSED' | 'UNKNOWN', and the reply's attachments. Functions among the arguments can be called by
--- the peer until core.callback_release, the peer's release or the connection's end.
---@async
---@param conn integer|perilune.Callback  a callback: calls it
---@param session integer
---@param method string
---@param args table?  with n; nil = the values after `counters`
---@param timeout number  ms
---@param attachments? table
---@param flags? integer  1 = one-way; 64-bit integers of the reply: +2 as cdata, +4 as string
---@param counters? ffi.cdata*  peri_counters of the node, which then count this attempt
---@return boolean, any, any, any, any
function core.request(conn, session, method, args, timeout, attachments, flags, counters) end

--- The metatable of callbacks, for Lua to complete.
---@return table
function core.callback_meta() end
--- Can it still be called? And the name its owner gave it, and a number that is the same for objects
--- that stand for the same function, 0 = closed.
---@param callback perilune.Callback
---@return boolean
---@return string?
---@return number
function core.callback_alive(callback) end
---@param callback perilune.Callback
function core.callback_close(callback) end
--- The function of ours that a call in progress is for; nothing when it was released.
---@return function?
function core.callback_function(slot, gen) end
--- Ends what peers may do with a function; how many could call it. How many functions they can call.
---@param fn function
---@return integer
function core.callback_release(fn) end
---@return integer
function core.callback_count() end

--- Closes at once (code nil = after what is queued was written).
---@param conn integer
---@param code? string
function core.disconnect(conn, code) end

--- Loads a C plugin for the whole process.
---@param path string  of the shared object
---@param point string
---@param name string  perhaps with a provider
---@return boolean?
---@return string? message
function core.plugin_load(path, point, name) end

--- Plain connections, see perilune/transport/socket.lua. `fn(id, kind, ...)` is told 'open', 'data'
--- (bytes) and last 'closed' (code, message).
---@param url string
---@param timeout number
---@param fn function
---@return number? id
---@return string? message
function core.socket_open(url, timeout, fn) end
--- Bytes that the kernel has not taken yet; nil when it is closed.
---@param id number
---@param bytes string
---@return number?
function core.socket_write(id, bytes) end
---@param id number
---@param paused boolean
function core.socket_pause(id, paused) end
---@param id number
---@param at_once? boolean  do not write what is queued
function core.socket_close(id, at_once) end

--- Watches a folder; on_change(name) is called in a fiber of its own, coalesced per turn.
---@param path string
---@param on_change fun(name: string)
---@return integer? watch
---@return string? message
function core.watch(path, on_change) end
---@param watch integer
function core.unwatch(watch) end

-- ── values ────────────────────────────────────────────────────────────────────────────────────

---@param value any
---@param serializer? string  default 'json'
---@return string? bytes
---@return string? message
function core.encode(value, serializer) end
---@param bytes string
---@param serializer? string  default 'json'
---@param int64? 'number'|'cdata'|'string'  what integers beyond 2^53 are, default 'number': an error
---@return any value
---@return string? message
function core.decode(bytes, serializer, int64) end

return core
