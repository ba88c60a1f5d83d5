-- SPDX-License-Identifier: MIT
-- The Tarantool side of the comparison: a Lua function called over the binary protocol, nothing
-- written to disk. Address and folder come from the environment.
box.cfg {
  work_dir = os.getenv 'BENCH_DIR',
  wal_mode = 'none',
  memtx_memory = 64 * 1024 * 1024,
  log_level = 2,
}

function echo(value) -- luacheck: globals echo
  return value
end

box.schema.user.grant('guest', 'execute', 'universe', nil, { if_not_exists = true })

-- Last, for who can connect takes the server to be ready.
box.cfg { listen = os.getenv 'BENCH_LISTEN' }
