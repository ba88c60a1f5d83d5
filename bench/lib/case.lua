-- SPDX-License-Identifier: MIT
-- What groups of cases are made of.

local subjects = require 'subjects'

local M = {}

---@class bench.Subject
---@field name string
---@field server string kind of server, for servers.start
---@field options table? of the server; subjects of a group with equal options share one
---@field measure fun(server: bench.Server): table?, string?

---@class bench.Case
---@field case string
---@field metric string
---@field of string[] subject and figure
---@field against string[]? subject and figure of the peer
---@field peer string? what to call that, when not by the subject's name
---@field unit string? the peer when the limit is absolute: one of these
---@field must number
---@field aim number
---@field pairs boolean? the ratio is the median of the rounds' ratios, not the ratio of medians

---@class bench.Group
---@field name string
---@field rounds integer? at least so many
---@field fresh boolean? servers are started anew for each round
---@field subjects bench.Subject[]
---@field cases bench.Case[]

function M.loaded(name, kind, options, ...)
  local words = { ... }
  return {
    name = name,
    server = kind,
    options = options,
    measure = function(server)
      return subjects.load(server, words)
    end,
  }
end

function M.client(name, options)
  return {
    name = name,
    server = 'perilune',
    options = { listen = options.listen, patient = options.in_flight > 1000 },
    measure = function(server)
      return subjects.client(server, options)
    end,
  }
end

function M.memory(name, options, ...)
  local words = { ... }
  return {
    name = name,
    server = 'perilune',
    options = options,
    measure = function(server)
      return subjects.server_memory(server, words)
    end,
  }
end

-- A case of server CPU time per call, the figure most of them compare.
function M.cpu(case, of, against, must, aim, peer)
  return {
    case = case,
    metric = 'server CPU us/call',
    of = { of, 'server_cpu_us' },
    against = { against, 'server_cpu_us' },
    peer = peer or against:match '^[^,]+',
    must = must,
    aim = aim,
  }
end

function M.kib(case, of, must, aim)
  return {
    case = case,
    metric = 'KiB each',
    of = { of, 'kib_each' },
    unit = 'KiB',
    must = must,
    aim = aim,
  }
end

return M
