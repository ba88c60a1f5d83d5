// SPDX-License-Identifier: MIT
package demo;

public class UnknownSymbol extends Exception {
  private static final long serialVersionUID = 1L;
  public String symbol;

  public UnknownSymbol() {}

  public UnknownSymbol(String message, String symbol) {
    super(message);
    this.symbol = symbol;
  }
}
