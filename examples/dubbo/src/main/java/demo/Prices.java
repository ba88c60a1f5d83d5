// SPDX-License-Identifier: MIT
package demo;

/** The service, which Lua and Java both provide and both call. */
public interface Prices {
  Quote price(String symbol) throws UnknownSymbol;

  /** Tells the listener so many prices, and how many of them it wanted. */
  int watch(String symbol, int count, Listener listener);

  /** What is called back over the connection of the call. */
  interface Listener {
    boolean changed(String symbol, double price);
  }
}
