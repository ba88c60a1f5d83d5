-- SPDX-License-Identifier: MIT
-- What an editor cannot see in the sources: functions made in loops, fields of objects that C or
-- generated code makes, and the contracts of plugins. Read by LuaCATS checkers only.
---@meta perilune.types
error('perilune.types only describes; require perilune')

-- ── policies ──────────────────────────────────────────────────────────────────────────────────

---@alias perilune.Next fun(ctx: perilune.Context, call: perilune.Call): any, perilune.Error?

--- Stands around a call; may wait. Returns what `next` gave, something else, or nil and an error.
---@alias perilune.FilterFn fun(ctx: perilune.Context, call: perilune.Call, next: perilune.Next): any, any

---@class perilune.PluginSpec
---@field name string                    lower case letters, digits and _
---@field provider? string               tells plugins of one name apart: `json@cjson`
---@field before? string[]|string        names of those to stand before
---@field after? string[]|string
---@field schema? table<string, perilune.schema.Rule>
---@field new? fun(conf: table): any, string?   makes one instance for each use

---@class perilune.FilterSpec: perilune.PluginSpec
---@field side? 'provider'|'consumer'|'attempt'|'both'
---@field new fun(conf: table): perilune.FilterFn?, string?

--- Narrows the nodes; must not wait.
---@alias perilune.SelectorFn fun(ctx: perilune.Context, call: perilune.Call, nodes: perilune.cluster.Nodes): perilune.cluster.Nodes

--- A selector that is looked up in an index instead of walking the nodes.
---@class perilune.SelectorRule
---@field by string|fun(node: perilune.cluster.Node): any  a meta field, or what tells nodes apart
---@field want fun(ctx: perilune.Context, call: perilune.Call): any  nil = every node
---@field otherwise? 'none'|'all'|'error'  when no node has that value (default 'none')

---@alias perilune.Send fun(node: perilune.cluster.Node?, timeout?: number): any, perilune.Error?

--- Owns the attempts of a call; may wait.
---@alias perilune.RouterFn fun(ctx: perilune.Context, call: perilune.Call, nodes: perilune.cluster.Nodes, send: perilune.Send): any, any

--- Chooses one node; must not wait.
---@alias perilune.PickFn fun(ctx: perilune.Context, call: perilune.Call, nodes: perilune.cluster.Nodes): perilune.cluster.Node?

---@class perilune.Router
---@field route perilune.RouterFn
---@field fanout? boolean  it asks several nodes at once: first attempts on a node are no retries
---@field failed? fun(ctx: perilune.Context, call: perilune.Call, err: perilune.Error): any, any
---  what a call gives that found no node

---@alias perilune.RetryPredicateFn fun(ctx: perilune.Context, call: perilune.Call, err: perilune.Error): boolean
---@alias perilune.RetryTargetFn fun(ctx: perilune.Context, call: perilune.Call, nodes: perilune.cluster.Nodes, tried: perilune.cluster.Node[]): perilune.cluster.Nodes?

---@class perilune.Balancer
---@field pick perilune.PickFn
---@field done? fun(ctx: perilune.Context, call: perilune.Call, node: perilune.cluster.Node, err: perilune.Error?)

--- Says who presents what a session brought, or nil and why not; may wait.
---@alias perilune.AuthenticatorFn fun(request: perilune.AuthRequest): string?, string?

--- What authenticators may have besides: attributes a consumer presents anew for each session.
---@alias perilune.PresentFn fun(conf: table, session: {interface: string, alias: string}): table<string, string>?, string?

--- Who calls, or nil; must not wait.
---@alias perilune.IdentityFn fun(ctx: perilune.Context, call: perilune.Call): string?

--- May this caller make this call? true, or nil and why not; may wait.
---@alias perilune.AuthorizerFn fun(ctx: perilune.Context, call: perilune.Call, identity: string?): boolean?, string?

--- What is wrong with the arguments, or nil; `fill`: defaults may be written into them. Must not wait.
---@alias perilune.ValidatorFn fun(args: table, fill: boolean): perilune.Failure[]?

--- The key of a call, nil = not cached; must not wait.
---@alias perilune.CacheKeyFn fun(ctx: perilune.Context, call: perilune.Call): string?

---@class perilune.CacheStore
---@field get async fun(key: string): any
---@field set async fun(key: string, entry: any, ttl_ms: number?, bytes: integer)
---@field remove async fun(key: string)

---@class perilune.LimitRule
---@field rate number        calls per period
---@field period number      ms
---@field interval number    period / rate
---@field burst number       calls that may come at once

--- ms a call waits before it goes on, or nil and the ms after which to try again; must not wait.
---@alias perilune.LimiterFn fun(key: string, rule: perilune.LimitRule): number?, number?

---@alias perilune.CallOutcome 'ok'|'slow'|'failed'|'failed_slow'|'none'

---@class perilune.Breaker
---@field allow fun(state: table, now: number): boolean?, number?
---@field done fun(state: table, now: number, outcome: perilune.CallOutcome, turns: integer?)

--- Answers instead of the service; NO_METHOD = it has no answer. May wait.
---@alias perilune.MockFn async fun(ctx: perilune.Context, call: perilune.Call, err: perilune.Error?): any, any

--- Prepares a service before it is there; may wait.
---@alias perilune.WarmupFn async fun(service: perilune.Service)

---@class perilune.SerializerSpec: perilune.PluginSpec
---@field id? integer                    on the wire
---@field encode fun(value: any): string
---@field decode fun(bytes: string): any

---@class perilune
---@field filter fun(name: string|perilune.FilterSpec, body?: perilune.FilterFn|perilune.FilterSpec)
---@field selector fun(name: string|table, body?: perilune.SelectorFn|perilune.SelectorRule|table)
---@field router fun(name: string|table, body?: perilune.RouterFn|table)
---@field retry_predicate fun(name: string|table, body?: perilune.RetryPredicateFn|table)
---@field retry_target fun(name: string|table, body?: perilune.RetryTargetFn|table)
---@field loadbalance fun(name: string|table, body?: perilune.PickFn|perilune.Balancer|table)
---@field slow_start fun(name: string|table, body?: (fun(age: number, weight: number): number)|table)
---@field candidate fun(name: string|table, body?: function|table)
---@field registry fun(name: string|table, body?: table)
---@field serializer fun(name: string|perilune.SerializerSpec, body?: perilune.SerializerSpec)
---@field compression fun(name: string)  loads an installed one; consumers ask for it by name
---@field authenticator fun(name: string|table, body?: perilune.AuthenticatorFn|table)
---@field identity fun(name: string|table, body?: perilune.IdentityFn|table)
---@field authorizer fun(name: string|table, body?: perilune.AuthorizerFn|table)
---@field validator fun(name: string|table, body?: perilune.ValidatorFn|table)
---@field cache fun(name: string|table, body?: perilune.CacheStore|table)
---@field cache_key fun(name: string|table, body?: perilune.CacheKeyFn|table)
---@field limiter fun(name: string|table, body?: perilune.LimiterFn|table)
---@field breaker fun(name: string|table, body?: perilune.Breaker|table)
---@field mock fun(name: string|table, body?: perilune.MockFn|table)
---@field warmup fun(name: string|table, body?: perilune.WarmupFn|table)
---@field crypto {sha256: fun(data: string): string, hmac_sha256: (fun(key: string, data: string): string), same: fun(a: string, b: string): boolean}
---@field command fun(name: string|table, body?: function|table)
---@field group fun(name: string|table, body?: function|table)
---@field listener fun(name: string|table, body?: perilune.ListenerFn|table)
---@field null any                       null in lists; in maps it is absence
---@field array fun(list?: table): table marks a table as a list, so that an empty one stays one
---@field bytes fun(text: string): any   binary data: strings on the wire are UTF-8
---@field typed fun(class: string, fields: table): table  an object of a Java class
---@field class_of fun(value: any): string?  the class of a typed table, a box or a decoded object
---@field java perilune.java                what Java tells apart and Lua does not
---@field clock fun(): number            ms, the time of this turn of the loop
---@field hrtime fun(): number           ms, exact, for measuring
---@field walltime fun(): number         ms since 1970
---@field random fun(n?: integer): number  in [0, 1), or an integer from 1 to n
---@field shared perilune.Shared
---@field log perilune.Log
---@field policy perilune.Policy         what policies need and nothing more

--- What a handler gets in place of a function among the arguments; `callback(...)` waits for its result.
---@class perilune.Callback
---@overload async fun(...: any): any, perilune.Error?

--- One store for all workers of the process.
---@class perilune.Shared
---@field incr fun(name: string, by: number, limit?: number): number?  nil when it would exceed `limit`
---@field take fun(name: string, interval: number, burst?: number, cost?: number, max_wait?: number, keep?: boolean): number?, any  one step of a rate limit
---@field get fun(key: string): string|number|boolean|nil
---@field set fun(key: string, value: string|number|boolean|nil, ttl_ms?: number): boolean

---@alias perilune.LogFn fun(text: string, fields?: table, tag?: string)

---@class perilune.Log
---@field debug perilune.LogFn
---@field info perilune.LogFn
---@field warn perilune.LogFn
---@field error perilune.LogFn

-- ── declarations ──────────────────────────────────────────────────────────────────────────────

---@class perilune.MethodOptions
---@field timeout? integer               ms
---@field idempotent? boolean            may be sent again when its fate is unknown
---@field concurrency? integer           most calls at once in the process
---@field retries? integer               attempts after the first
---@field attempt_timeout? integer|integer[]|'share'|'half'|'left'  ms
---@field retry_on? any                  error codes and predicates
---@field retry_target? any
---@field body? boolean                  the handler takes the undecoded body
---@field executor? 'inline'|'pool'|table  which threads run the handlers
---@field filters? table
---@field signature? table              calls are signed
---@field method_list? table
---@field mock? string|table
---@field limiter? number|table
---@field validation? table|string
---@field cache? number|table
---@field fault? table
---@field breaker? boolean|table
---@field trace? boolean|{id?: string, joyrpc?: boolean}
---@field access_log? boolean|string|table
---@field exception? boolean|table
---@field slow? number                   ms from which calls are logged
---@field authorization? table|string
---@field ip? table
---@field attempt_filters? table
---@field router? any
---@field loadbalance? any

---@class perilune.ExportSpec: perilune.MethodOptions
---@field interface string
---@field alias? string
---@field service table<string, function>
---@field methods? table<string, perilune.MethodOptions>
---@field include? string[]
---@field exclude? string[]
---@field registry? string|string[]      URL
---@field register? boolean
---@field delay? integer                 ms between listening and registering
---@field weight? integer
---@field joyrpc? {start_time?: 'real'|'ramped'}  what consumers of JoyRPC are told
---@field meta? table<string, string>    what selectors see as node.meta
---@field token? string|table            callers must present it
---@field auth? any                      authenticator of sessions
---@field generic? boolean              takes generic calls whose values are JSON text
---@field warmup? any                   what runs before the service is there
---@field warmup_timeout? integer        ms
---@field warmup_required? boolean
---@field serialization? string
---@field int64? 'number'|'cdata'|'string'

---@class perilune.ReferSpec: perilune.MethodOptions
---@field interface string
---@field alias? string
---@field url? string|string[]           'joyrpc://host:port'
---@field registry? string|string[]      URL
---@field selectors? table
---@field candidate? any
---@field connections? integer           nodes one worker connects to
---@field methods? table<string, perilune.MethodOptions>
---@field attempt_filters? table
---@field serialization? string
---@field compression? string
---@field check? boolean
---@field connect_timeout? integer
---@field attachments? table             sent with each call
---@field token? string
---@field auth? table
---@field tag? any
---@field slow_start? boolean|string|table  smaller weight of providers that have just begun
---@field ejection? boolean|table        leave out nodes that keep failing
---@field aliases? string[]             a group: calls go to one of these
---@field group? any                    which one: a name, { 'by_argument', argument = 1 }, a function
---@field inproc? boolean              call what this process exports itself without a connection
---@field retry_budget? false|{ratio: number, per_second: number}
---@field wait_ready? boolean           false: fails while no node is ready or about to be
---@field int64? 'number'|'cdata'|'string'

---@class perilune.ListenSpec
---@field url string                     'tcp://0.0.0.0:22000', 'unix:///run/app.sock'
---@field protocols? string[]

-- ── a call ────────────────────────────────────────────────────────────────────────────────────

---@class perilune.Context
---@field session_attributes table       what the peer said of itself when the session began
---@field authenticated boolean          the session was checked
---@field native boolean                 the peer is Perilune
---@field oneway boolean                 nobody waits for an answer
---@field waited number                  ms in the queue
---@field node? perilune.cluster.Node    of an attempt (consumer)
local Context = {}
--- The code of what ended this call (CANCELLED, TIMEOUT), or nil.
---@return string?
function Context:cancelled() end
--- Milliseconds until the caller gives up.
---@return number
function Context:left() end
--- Calls `fn` when this call is over, however it ends.
---@param fn fun()
function Context:on_end(fn) end

---@class perilune.Call
---@field timeout number
---@field idempotent boolean
---@field retries? integer
---@field attempt_timeout? integer
---@field oneway? boolean

---@class perilune.Body
local Body = {}
--- The bytes as a string (a copy).
---@return string
function Body:string() end
--- Count of bytes.
---@return integer
function Body:len() end
--- A part as a string, positions as in string.sub.
---@param i integer
---@param j? integer
---@return string
function Body:slice(i, j) end
--- A copy that outlives the call.
---@return string
function Body:keep() end

--- Remote methods by name: `proxy:name(...)` returns the result, or nil and an error.
---@class perilune.Proxy
---@field [string] async fun(self: perilune.Proxy, ...: any): any, perilune.Error?

---@class perilune.cluster.Nodes
local Nodes = {}
--- The node the configured balancer chooses, nil when there is none.
---@param ctx perilune.Context
---@param call perilune.Call
---@return perilune.cluster.Node?
function Nodes:pick(ctx, call) end
--- The node with the smallest counter or meta number.
---@param key string
---@return perilune.cluster.Node?
function Nodes:min(key) end
--- The nodes whose meta field (or function of a node) has this value; indexed.
---@param by string|fun(node: perilune.cluster.Node): any
---@param value any
---@return perilune.cluster.Nodes
function Nodes:where(by, value) end
--- The nodes for which `pred(node, arg)` holds; walks the list.
---@param pred fun(node: perilune.cluster.Node, arg: any): boolean
---@param arg? any
---@return perilune.cluster.Nodes
function Nodes:filter(pred, arg) end
