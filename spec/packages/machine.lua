-- SPDX-License-Identifier: MIT
-- A machine of its own for a package: systemd as the first process of a container (systemd-nspawn),
-- with a root made of the package, the libraries of this machine (read-only) and nothing else, and
-- with a loopback of its own. Nothing of it is left behind, on this machine's side neither.
--
--   local machine, why = machines.boot(deb.unpack())      -- nil where no container can be started
--   machine:write('/etc/perilune/one.lua', text)
--   machine:run('systemctl', 'start', 'perilune@one')
--   machine:stop()
local child = require 'spec.support.child'
local deb = require 'spec.packages.deb'
local eventually = require 'spec.support.eventually'

local M = {}

---@class peri.spec.Machine
local Machine = {}
Machine.__index = Machine

-- $1 is the package's folder. What systemd and the package's binary need from this machine is bound.
local ROOT = [[
  set -e
  root=$1/machine
  mkdir -p $root/etc/systemd/system/perilune@one.service.d $root/etc/perilune $root/usr/bin $root/usr/share $root/usr/lib \
    $root/usr/lib64 $root/var $root/run $root/tmp $root/dev $root/proc $root/sys $root/root
  ln -s usr/bin $root/bin
  ln -s usr/bin $root/sbin
  ln -s usr/lib $root/lib
  ln -s usr/lib64 $root/lib64
  cp /bin/kill /bin/systemctl /bin/journalctl $1/root/usr/bin/perilune $root/usr/bin
  cp -r $1/root/usr/share/perilune $root/usr/share
  cp $1/root/usr/lib/systemd/system/perilune@* $root/etc/systemd/system
  mkdir $root/usr/share/lua $root/usr/share/$(basename /usr/share/luajit-2*)
  echo ID=perilune >$root/etc/os-release
  : >$root/etc/machine-id
  printf '[Unit]\nDescription=The machine of a spec\n' >$root/etc/systemd/system/spec.target
]]

-- $1 is the machine's name, $2 its root. The groups of its processes stand below one of its own, so
-- that they can be found and removed. `timeout` ends it all should this spec not live to do so.
local BOOT = [[
  for groups in /sys/fs/cgroup/unified /sys/fs/cgroup/systemd /sys/fs/cgroup; do
    if [ -w $groups/cgroup.procs ]; then
      mkdir $groups/$1 && echo $$ >$groups/$1/cgroup.procs || exit 1
    fi
  done
  lua=$(echo /usr/share/luajit-2*)
  SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 exec timeout -k 5 120 systemd-nspawn -q --register=no --keep-unit \
    --machine=$1 --private-network --directory=$2 --console=pipe \
    --bind-ro=/usr/lib --bind-ro=/usr/lib64 --bind-ro=/usr/share/lua --bind-ro=$lua \
    /lib/systemd/systemd systemd.unit=spec.target
]]

local CLEAN = [[
  for groups in /sys/fs/cgroup/unified /sys/fs/cgroup/systemd /sys/fs/cgroup; do
    [ ! -d $groups/$1 ] || find $groups/$1 -depth -type d -exec rmdir {} +
  done
  rmdir /run/systemd/nspawn/*/$1 2>/dev/null || true
]]

local function is_missing()
  for _, tool in ipairs { 'systemd-nspawn', 'nsenter', '/lib/systemd/systemd' } do
    if os.execute(('command -v %s >/dev/null'):format(tool)) ~= 0 then
      return tool .. ' is not here'
    end
  end
  return os.execute '[ "$(id -u)" -eq 0 ]' ~= 0 and 'only root can start containers'
end

-- The first process inside, which is the only child of systemd-nspawn (itself one of `timeout`).
local function leader_of(pid)
  for _ = 1, 2 do
    local file = io.open(('/proc/%d/task/%d/children'):format(pid, pid))
    pid = file and tonumber((file:read '*a'):match '%d+')
    if file then
      file:close()
    end
    if not pid then
      return nil
    end
  end
  return pid
end

function Machine:_enter(...)
  return { 'nsenter', '-t', tostring(self.leader), '-a', ... }
end

-- Runs a program inside.
---@param ... string
---@return {code?: integer, signal?: string, output: string}
function Machine:run(...)
  return child.run(self:_enter(...), { limit = 60 })
end

-- Starts a program inside and does not wait for it.
---@param ... string
---@return peri.spec.Process
function Machine:start(...)
  return child.start(self:_enter(...))
end

---@param path string
---@param text string
function Machine:write(path, text)
  local file = assert(io.open(self.root .. path, 'w'))
  file:write(text)
  file:close()
end

-- What systemd knows of a unit.
---@param unit string
---@param property string
---@return string
function Machine:get(unit, property)
  local said = self:run('systemctl', 'show', '--value', '-p', property, unit)
  return (said.output:gsub('\n$', ''))
end

function Machine:_has_ended()
  return (
    pcall(eventually, function()
      return not self.process:running()
    end, { limit = 20, what = 'the end of the container' })
  )
end

-- Ends it, however far it came.
function Machine:stop()
  if self.leader and self.process:running() then
    pcall(self.run, self, 'systemctl', 'exit')
    self:_has_ended()
  end
  if self.process:running() then
    self.process:kill 'TERM' -- handed on by `timeout`, which itself killed would leave the container
    self:_has_ended()
  end
  self.process:stop()
  deb.sh(('set -- %s\n%s'):format(self.name, CLEAN))
end

-- Boots a machine with the package below `folder`.
---@param folder string  of deb.unpack
---@return peri.spec.Machine? machine nil where none can be started
---@return string? why
function M.boot(folder)
  local why = is_missing()
  if why then
    return nil, why
  end
  deb.sh(('set -- %s\n%s'):format(folder, ROOT))
  local name = 'perilune-spec-' .. folder:match('[^/]+$'):gsub('%W', '')
  local self = setmetatable({ name = name, root = folder .. '/machine' }, Machine)
  self.process = child.start { 'sh', '-c', BOOT, 'sh', name, self.root }
  local ok, wrong = pcall(eventually, function()
    self.leader = leader_of(self.process.pid)
    return not self.process:running()
      or self.leader and self:run('systemctl', 'is-system-running').output == 'running\n'
  end, { limit = 30, what = 'systemd runs in its container' })
  if not ok then
    self:stop()
    error(wrong, 0)
  elseif self.process:running() then
    return self
  end
  self.process:wait()
  self:stop()
  return nil, 'no container can be started: ' .. self.process.output:gsub('%s+$', '')
end

return M
