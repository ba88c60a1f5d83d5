-- SPDX-License-Identifier: MIT
rockspec_format = '3.0'
package = 'perilune-gradient'
version = '0.1.0-1'
source = { url = 'git+https://example.org/perilune.git', dir = 'perilune/rocks/perilune-gradient' }
description = {
  summary = 'Adaptive concurrency limit for Perilune',
  detailed = 'A filter whose limit follows from how long calls take.',
  license = 'MIT',
}
dependencies = { 'lua == 5.1' }
build = {
  type = 'builtin',
  modules = {
    ['perilune.entry.filter.gradient'] = 'lua/perilune/entry/filter/gradient.lua',
  },
}
