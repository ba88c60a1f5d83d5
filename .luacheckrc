-- SPDX-License-Identifier: MIT
-- `policy` is what filters, selectors, routers and balancers may use: no os, io, ffi, debug and no
-- unseeded random, so that the same files run in a simulator (design, section 4).
local lua = {
  'assert', 'error', 'getmetatable', 'ipairs', 'next', 'pairs', 'pcall', 'rawequal', 'rawget',
  'rawset', 'require', 'select', 'setmetatable', 'tonumber', 'tostring', 'type', 'unpack', 'xpcall',
  '_VERSION',
}
stds.policy = { read_globals = {} }
for _, name in ipairs(lua) do
  stds.policy.read_globals[name] = {}
end
for _, name in ipairs { 'string', 'table', 'coroutine', 'bit' } do
  stds.policy.read_globals[name] = { other_fields = true }
end
stds.policy.read_globals.math = { fields = {} }
for _, name in ipairs {
  'abs', 'ceil', 'exp', 'floor', 'fmod', 'frexp', 'huge', 'ldexp', 'log', 'log10', 'max', 'min',
  'modf', 'pi', 'pow', 'sqrt',
} do
  stds.policy.read_globals.math.fields[name] = {}
end

std = 'luajit'
cache = false
codes = true
max_line_length = 100
max_string_line_length = false
max_comment_line_length = 120
max_cyclomatic_complexity = 25
exclude_files = { 'build', '.rocks', 'node_modules' }
-- Arguments that a contract names and an implementation ignores.
unused_args = false

-- What spec/support/vm/prelude.lua gives to specs that run inside a VM of the runtime.
stds.inside = { read_globals = {
  'advance', 'core', 'counted', 'eventually', 'logged', 'perilune', 'serve', 'spec_run', 'stats', 'turns',
} }
files['spec'] = {
  std = 'luajit+busted+inside',
  max_cyclomatic_complexity = false,
}
files['**/*.rockspec'] = { std = 'rockspec' }
files['.busted'] = { std = 'luajit' }
files['lua/perilune/_meta'] = {
  ignore = { '111', '112', '113', '131', '211', '212', '241' },
  max_comment_line_length = false,
}
-- Writes the globals it gives to others.
files['spec/support/vm/prelude.lua'] = { globals = { '_G' } }
-- Replaces the functions of coroutines so that waits pass outward.
files['lua/perilune/fiber.lua'] = { ignore = { '122' } }
-- Tarantool runs this one.
files['bench/tarantool.lua'] = { std = 'luajit', globals = { 'box' } }

-- Policies: by convention in files of these names; an entrypoint may use everything.
for _, pattern in ipairs {
  'examples/**/polic*.lua', 'examples/*/policies/**/*.lua', 'examples/**/filter*.lua',
  'examples/**/selector*.lua', 'examples/**/balance*.lua', 'rocks/*/lua/**/*.lua',
  'lua/perilune/cluster/selector', 'lua/perilune/cluster/router', 'lua/perilune/cluster/loadbalance',
  'lua/perilune/cluster/retry_predicate', 'lua/perilune/cluster/retry_target',
  'lua/perilune/cluster/slow_start', 'lua/perilune/cluster/candidate', 'examples/**/router*.lua',
  'lua/perilune/entry/filter',
} do
  files[pattern] = { std = 'policy' }
end
