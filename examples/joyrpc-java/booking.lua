-- SPDX-License-Identifier: MIT
-- What Java calls it: the interface and the classes of its values, as far as Lua wants them.
local perilune = require 'perilune'

return perilune.interface [[
  package demo;
  interface Booking {
    int seats(long train);
    Ticket book(Passenger who, long train) throws SoldOut;
  }
  class Passenger { String name; int age; }
  class Ticket { Passenger who; long train; java.math.BigDecimal price; }
  class SoldOut { long train; }
]]
