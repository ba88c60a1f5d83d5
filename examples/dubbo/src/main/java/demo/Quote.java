// SPDX-License-Identifier: MIT
package demo;

import java.io.Serializable;

public class Quote implements Serializable {
  private static final long serialVersionUID = 1L;
  public String symbol;
  public double price;
  public long volume;

  public Quote() {}

  public Quote(String symbol, double price, long volume) {
    this.symbol = symbol;
    this.price = price;
    this.volume = volume;
  }
}
