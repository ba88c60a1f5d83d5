// SPDX-License-Identifier: MIT
package demo;

import java.io.Serializable;

public class Passenger implements Serializable {
  private static final long serialVersionUID = 1L;
  public String name;
  public int age;

  public Passenger() {}

  public Passenger(String name, int age) {
    this.name = name;
    this.age = age;
  }
}
