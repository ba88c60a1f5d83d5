// SPDX-License-Identifier: MIT
package demo;

import java.io.Serializable;
import java.math.BigDecimal;

public class Ticket implements Serializable {
  private static final long serialVersionUID = 1L;
  public Passenger who;
  public long train;
  public BigDecimal price;

  public Ticket() {}

  public Ticket(Passenger who, long train, BigDecimal price) {
    this.who = who;
    this.train = train;
    this.price = price;
  }
}
