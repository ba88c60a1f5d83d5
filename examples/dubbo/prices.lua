-- SPDX-License-Identifier: MIT
-- What Java calls it: the interface, the one of its callback, and the classes of its values.
local perilune = require 'perilune'

return perilune.interface [[
  package demo;
  interface Prices {
    Quote price(String symbol) throws UnknownSymbol;
    int watch(String symbol, int count, Listener listener);
    interface Listener { boolean changed(String symbol, double price); }
  }
  class Quote { String symbol; double price; long volume; }
  class UnknownSymbol { String symbol; }
]]
