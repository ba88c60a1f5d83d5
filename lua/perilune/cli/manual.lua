-- SPDX-License-Identifier: MIT
-- The man page, written from the parser of the command line, so that there is one place to say what
-- an option does.
local core = require 'perilune.core'
local output = require 'perilune.cli.output'

local M = { summary = 'Print the manual page.' }

function M.describe(parser)
  output.describe(parser)
  parser:epilog 'To read it: perilune manual | man -l -'
end

local function roff(text)
  return (
    text:gsub('\\', '\\e'):gsub('%-', '\\-'):gsub("^([.'])", '\\&%1'):gsub("\n([.'])", '\n\\&%1')
  )
end

local function bold(text)
  return '\\fB' .. roff(text) .. '\\fR'
end

-- <name> as argparse shows it, in italics.
local function placeholder(element)
  local name = element._argname
  name = type(name) == 'table' and table.concat(name, ' ') or name
  return name and ' \\fI' .. roff((name:gsub('[<>]', ''))) .. '\\fR' or ''
end

local function option_lines(lines, options)
  for _, option in ipairs(options) do
    if not option._hidden then
      local names = {}
      for i, alias in ipairs(option._aliases) do
        names[i] = bold(alias)
      end
      local default = option._default
      local tail = type(default) == 'string' and (' (default %s)'):format(default) or ''
      lines[#lines + 1] = '.TP'
      lines[#lines + 1] = table.concat(names, ', ') .. placeholder(option)
      lines[#lines + 1] = roff((option._description or '') .. tail)
    end
  end
end

local function synopsis(parser)
  local usage = parser:get_usage():gsub('^Usage: ', ''):gsub('%s*\n%s*', ' ')
  return roff(usage)
end

local function command_lines(lines, command)
  lines[#lines + 1] = '.SS ' .. command._name
  lines[#lines + 1] = roff(command._summary or command._description or '')
  lines[#lines + 1] = '.PP'
  lines[#lines + 1] = synopsis(command)
  for _, argument in ipairs(command._arguments) do
    lines[#lines + 1] = '.TP'
    lines[#lines + 1] = '\\fI' .. roff(argument._name) .. '\\fR'
    lines[#lines + 1] = roff(argument._description or '')
  end
  option_lines(lines, command._options)
  if command._epilog then
    lines[#lines + 1] = '.PP\n.nf'
    lines[#lines + 1] = roff(command._epilog)
    lines[#lines + 1] = '.fi'
  end
end

local TAIL = [[
.SH EXIT STATUS
0 on success, 1 on failure, 2 on wrong usage.
.SH ENVIRONMENT
.TP
\fBPERILUNE_\fINAME\fR
Each setting of \fBrun\fR, in capitals. Flags win over the environment, that over the file of
\fB\-\-config\fR.
.TP
\fBPERILUNE_LIBRARY\fR
Folder of the Lua library, where it is not found beside the binary.
.TP
\fBPERILUNE_LOG_LEVEL\fR, \fBPERILUNE_LOG_FORMAT\fR
debug, info, warn, error or off; text or json.
.TP
\fBLUA_PATH\fR, \fBLUA_CPATH\fR
Absolute entries are looked into for modules and plugins.
.TP
\fBNOTIFY_SOCKET\fR, \fBWATCHDOG_USEC\fR, \fBLISTEN_FDS\fR
As systemd sets them: readiness, watchdog and sockets that are passed.
.TP
\fBNO_COLOR\fR
No colours.
.SH FILES
.TP
\fI.rocks\fR
Beside a script: the plugins of its project, as \fBluarocks \-\-lua\-version 5.1 make \-\-tree .rocks\fR puts them there.
.SH SIGNALS
SIGTERM and SIGINT drain; a second one ends at once. SIGHUP reloads.
.SH SEE ALSO
.BR luarocks (1),
.BR systemd.socket (5)
]]

-- The page as roff.
---@param parser table  of argparse
---@return string
function M.page(parser)
  local lines = {
    ('.TH PERILUNE 1 "" "perilune %s" "User Commands"'):format(tostring(core.version)),
    '.SH NAME',
    'perilune \\- RPC runtime that is scripted in Lua',
    '.SH SYNOPSIS',
    synopsis(parser),
    '.SH DESCRIPTION',
    roff(parser._description),
    '.SH OPTIONS',
  }
  option_lines(lines, parser._options)
  lines[#lines + 1] = '.SH COMMANDS'
  for _, command in ipairs(parser._commands) do
    command_lines(lines, command)
  end
  return table.concat(lines, '\n') .. '\n' .. TAIL
end

function M.run(args)
  return output.write(args, M.page(require('perilune.cli').parser()))
end

return M
