-- SPDX-License-Identifier: MIT
local ffi = require 'ffi'
local c = require 'spec.support.c'

local lib = c.cdef 'base/list.h'

local function at(node)
  return ffi.cast('peri_list *', node)
end

local function list_of(count)
  local head, nodes = ffi.new 'peri_list', {}
  lib.peri_list_init(head)
  for i = 1, count do
    nodes[i] = ffi.new 'peri_list'
    lib.peri_list_init(nodes[i])
    lib.peri_list_push(head, nodes[i])
  end
  return head, nodes
end

describe('base/list', function()
  it('starts empty', function()
    local head = list_of(0)
    assert.is_true(lib.peri_list_empty(head))
    assert.is_true(lib.peri_list_pop(head) == nil)
  end)

  it('pops in the order of pushes', function()
    local head, nodes = list_of(3)
    for i = 1, 3 do
      assert.is_true(lib.peri_list_pop(head) == at(nodes[i]))
    end
    assert.is_true(lib.peri_list_empty(head))
  end)

  it('removes from the middle and keeps both directions', function()
    local head, nodes = list_of(3)
    lib.peri_list_remove(nodes[2])
    assert.is_true(nodes[1].next == at(nodes[3]))
    assert.is_true(nodes[3].prev == at(nodes[1]))
    assert.is_true(head.next == at(nodes[1]))
    assert.is_true(head.prev == at(nodes[3]))
  end)

  it('forgives removing twice, and lets a node be pushed again', function()
    local head, nodes = list_of(2)
    lib.peri_list_remove(nodes[1])
    lib.peri_list_remove(nodes[1])
    assert.is_true(lib.peri_list_empty(nodes[1]))
    lib.peri_list_push(head, nodes[1])
    assert.is_true(lib.peri_list_pop(head) == at(nodes[2]))
    assert.is_true(lib.peri_list_pop(head) == at(nodes[1]))
    assert.is_true(lib.peri_list_pop(head) == nil)
  end)
end)
