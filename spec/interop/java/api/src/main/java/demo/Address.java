// SPDX-License-Identifier: MIT
package demo;

import java.io.Serializable;
import java.util.Objects;

public class Address implements Serializable {
  private static final long serialVersionUID = 1L;
  private String city;
  private int number;

  public Address() {}

  public Address(String city, int number) {
    this.city = city;
    this.number = number;
  }

  public String getCity() {
    return city;
  }

  public void setCity(String city) {
    this.city = city;
  }

  public int getNumber() {
    return number;
  }

  public void setNumber(int number) {
    this.number = number;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Address
        && Objects.equals(city, ((Address) other).city)
        && number == ((Address) other).number;
  }

  @Override
  public int hashCode() {
    return Objects.hash(city, number);
  }

  @Override
  public String toString() {
    return "Address{" + city + " " + number + "}";
  }
}
