// SPDX-License-Identifier: MIT
package demo;

public class SoldOut extends Exception {
  private static final long serialVersionUID = 1L;
  public long train;

  public SoldOut() {}

  public SoldOut(String message, long train) {
    super(message);
    this.train = train;
  }
}
