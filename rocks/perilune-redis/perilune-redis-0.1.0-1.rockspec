-- SPDX-License-Identifier: MIT
rockspec_format = '3.0'
package = 'perilune-redis'
version = '0.1.0-1'
source = { url = 'git+https://example.org/perilune.git', dir = 'perilune/rocks/perilune-redis' }
description = {
  summary = 'A registry in Redis for Perilune',
  detailed = 'Providers list themselves in Redis, consumers hear of changes at once.',
  license = 'MIT',
}
dependencies = { 'lua == 5.1' }
build = {
  type = 'builtin',
  modules = {
    ['perilune.cluster.registry.redis'] = 'lua/perilune/cluster/registry/redis.lua',
    ['perilune.redis.resp'] = 'lua/perilune/redis/resp.lua',
  },
}
