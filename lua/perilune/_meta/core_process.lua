-- SPDX-License-Identifier: MIT
-- What `require 'perilune.core'` has for the process: threads, addresses, signals, limits. See core.lua.
---@meta perilune.core_process
error('perilune.core is made by the perilune binary; this file only describes it')

---@class perilune.core
local core = {}

--- Sends a message to another VM of the process (0 = control, 1..n, -1 = all workers). It arrives as
--- a call of the function registered there with core.on_message(name, fn), in a fiber of its own.
---@param worker integer
---@param name string
---@param payload string
---@return boolean sent  false: no such worker, or its letter box is full
function core.post(worker, name, payload) end
---@param name string
---@param fn fun(payload: string, from: integer)
function core.on_message(name, fn) end

--- Binds a listening socket (control VM). Returns its URL with the real port.
---@param url string
---@param protocols? string[]  the only ones spoken there
---@return string? url
---@return string? message
function core.listen(url, protocols) end
--- Begins to accept on all bound sockets.
---@return boolean?
---@return string? message
function core.accept() end
--- Closes one of them, by its bound URL; connections accepted there stay.
---@param url string
---@return boolean
function core.unlisten(url) end
--- Closes the listening sockets, so that new clients are refused at once and go elsewhere.
function core.stop_accepting() end
--- Writes the bound URLs to a file, one a line, complete or not at all.
---@param path string
---@return boolean?
---@return string? message
function core.write_ports(path) end
--- Starts `n` worker threads; each runs `chunk` (Lua source text) with `argument` in a first fiber.
---@param n integer
---@param chunk string
---@param argument string
---@param executors? integer  as many more that run handlers for them
---@return boolean?
---@return string? message
function core.start_workers(n, chunk, argument, executors) end
--- Control VM: starts further executors. Returns true, or nil and why there are none more.
---@param count integer
---@param chunk string
---@param argument string
---@return boolean?
---@return string? message
function core.add_executors(count, chunk, argument) end
--- Control VM: that many are left among the VMs; the others are to be ended.
---@param count integer
function core.keep_executors(count) end
--- Control VM: ends one that is no longer among them.
---@param number integer
function core.end_executor(number) end
--- The pool of the process.
---@return {executors: integer, busy: integer, queued: integer, done: integer, refused: integer, late: integer}
function core.executor_stats() end
--- Tells the main thread after which times it ends the process: a stuck worker, a drain.
---@param limits {stall_ms?: integer, drain_ms?: integer, executor_stall_ms?: integer}
function core.supervise(limits) end
--- Control VM: how many accepted connections the process takes, and letters one VM has waiting.
---@param limits {connections: integer, connections_per_listener: integer, connections_per_peer: integer, letters: integer, executor_queue: integer}
function core.limit_connections(limits) end
--- Limits of this VM by the names of lua/perilune/process/settings.lua: sets those given, before
--- anything is opened; what they are now.
---@param limits table<string, number>
function core.set_limits(limits) end
---@return table<string, number>
function core.limits() end
--- Counts that a limit which Lua enforces was reached.
---@param name string
function core.limit_hit(name) end
--- Worker, in this order: say goodbye to every peer and refuse new calls; refuse those of peers that
--- react late, too; how many calls and accepted connections are left, and how many calls ever came;
--- close connections after what is queued was written.
function core.drain_begin() end
function core.drain_refuse() end
---@return integer calls
---@return integer connections
---@return integer arrived
function core.drain_left() end
function core.drain_finish() end
--- Is the descriptor a terminal?
---@param fd integer
---@return boolean
function core.is_terminal(fd) end
--- Processors this process may use; its id.
---@return integer
function core.cores() end
---@return integer
function core.pid() end
--- Ends the process with `code` once every loop has stopped.
---@param code integer
function core.exit(code) end
--- Ends the process here and now; what was logged is written.
---@param code integer
function core.end_now(code) end
--- Called on SIGTERM/SIGINT ('drain'), SIGHUP ('reload').
---@param fn fun(name: string)
function core.on_signal(fn) end
--- Tells systemd where asked: 'READY=1' ...
---@param state string
function core.notify(state) end
--- Embedded only: the end of a call of the program; why the script did not start.
---@param id number
---@param code string?
---@param text string
function core.embed_answer(id, code, text) end
---@param message string
function core.embed_failed(message) end
--- Sums of all workers' counters and gauges: name -> number, labels as 'name{a="b"}'.
---@return table<string, number>
function core.metrics() end
--- A counter or gauge of the process, found or added: a handle for core.count. Label sets beyond 100
--- per name share one whose values are 'other'.
---@param name string
---@param labels? table<string, string>
---@param kind? 'counter'|'gauge'
---@return integer
function core.metric(name, labels, kind) end
---@param metric integer
---@param by? number
function core.count(metric, by) end

return core
