-- SPDX-License-Identifier: MIT
local app = require 'spec.support.app'
local child = require 'spec.support.child'

local function types(text)
  local path = app.script("local perilune = require 'perilune'\n" .. text)
  return child.run { child.binary(), 'types', path }
end

describe('perilune types', function()
  after_each(app.stop_all)

  it('writes what handlers, comments and rules say', function()
    local result = types [[
      perilune.export { interface = 'demo.Hotel', service = {
        -- Books seats.
        ---@param ctx perilune.Context
        ---@param guest string  who comes
        ---@return integer number
        book = function(ctx, guest, wishes) end,
        cancel = function(ctx, number, ...) end,
        ['end'] = function() end,
      }, methods = { cancel = { validation = {
        { type = 'integer' },
        { type = 'table', optional = true, fields = {
          why = { type = 'list', items = { type = 'string' } },
          by = { type = 'string', enum = { 'guest', 'host' }, default = 'guest' },
        } },
      } } } }
      perilune.refer { interface = 'demo.Other', url = 'joyrpc://127.0.0.1:1',
        methods = { ping = { timeout = 1 } } }
      perilune.listen 'tcp://127.0.0.1:0'
    ]]
    assert.equal(0, result.code, result.output)
    for _, part in ipairs {
      '---@class demo.Hotel: perilune.Proxy\n',
      '--- Books seats.\n---@param guest string  who comes\n---@return integer number\n---@async\n'
        .. '---@param wishes any\n---@return perilune.Error? err\n'
        .. 'function Hotel:book(guest, wishes) end\n',
      "---@param number integer\n---@param arg2? {by?: 'guest'|'host', why: string[]}\n",
      'function Hotel:cancel(number, arg2, ...) end\n',
      "-- perilune.call(proxy, 'end', ...)\n",
      'function Other:ping(...) end\n',
      "---@field refer fun(spec: {interface: 'demo.Other'}): demo.Other\n",
    } do
      assert.truthy(result.output:find(part, 1, true), part .. '\nis not in\n' .. result.output)
    end
    assert.is_truthy(loadstring(result.output))
  end)

  it('writes what a Java interface declares', function()
    local result = types [==[
      local shop = perilune.interface [[
        package demo;
        interface Shop {
          Order place(Order order, int[] counts, io.joyrpc.Callback<Order, Void> listener);
          void close();
          Map<String, List<Long>> all(Page<Kind> page, java.util.Date since);
        }
        class Order { long id; Kind kind; byte[] data; Order before; }
        class Page<T> { List<T> items; }
        enum Kind { OLD, NEW }
      ]]
      perilune.refer { interface = shop, url = 'joyrpc://127.0.0.1:1' }
      perilune.listen 'tcp://127.0.0.1:0'
    ]==]
    assert.equal(0, result.code, result.output)
    for _, part in ipairs {
      '---@param order? {before?: {before?: {before?: table, data?: string, ',
      "id?: integer, kind?: 'OLD'|'NEW'}",
      '---@param counts? integer[]\n---@param listener? function\n',
      '---@return {before?: {',
      "id: integer, kind?: {name: 'OLD'|'NEW'}}? result\n",
      'function Shop:place(order, counts, listener) end\n',
      '---@return nil result\n---@return perilune.Error? err\nfunction Shop:close() end\n',
      "---@param page? {items?: ('OLD'|'NEW')[]}\n---@param since? number\n",
      '---@return table<string, integer[]>? result\n',
    } do
      assert.truthy(result.output:find(part, 1, true), part .. '\nis not in\n' .. result.output)
    end
    assert.is_truthy(loadstring(result.output))
  end)

  it('says when there is nothing', function()
    local result = types 'perilune.main(function() end)'
    assert.equal(1, result.code)
    assert.matches('exports and refers nothing', result.output)
  end)
end)
