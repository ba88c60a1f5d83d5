-- SPDX-License-Identifier: MIT
rockspec_format = '3.0'
package = 'perilune-audit'
version = '0.1.0-1'
source = { url = 'git+https://example.org/perilune.git', dir = 'perilune/rocks/perilune-audit' }
description = {
  summary = 'An audit trail for Perilune',
  detailed = 'Who asked for what and how it ended, with secrets masked.',
  license = 'MIT',
}
dependencies = { 'lua == 5.1' }
build = {
  type = 'builtin',
  modules = {
    ['perilune.entry.filter.audit'] = 'lua/perilune/entry/filter/audit.lua',
  },
}
