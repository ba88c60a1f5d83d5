// SPDX-License-Identifier: MIT
package demo;

/** The service, which Lua and Java both provide and both call. */
public interface Booking {
  int seats(long train);

  Ticket book(Passenger who, long train) throws SoldOut;
}
