// SPDX-License-Identifier: MIT
package demo;

import java.io.Serializable;
import java.util.List;
import java.util.Objects;

/** Nested, with a list, a map-free optional part, and a field that may point to an equal object. */
public class Person implements Serializable {
  private static final long serialVersionUID = 1L;
  private String name;
  private int age;
  private Long wealth;
  private boolean active;
  private double score;
  private Address address;
  private List<String> tags;
  private Color color;
  private Person friend;

  public static Person sample() {
    Person person = new Person();
    person.name = "Ada \u6708 \ud83d\ude80";
    person.age = 36;
    person.wealth = 9007199254740991L;
    person.active = true;
    person.score = 2.5;
    person.address = new Address("London", 12);
    person.tags = new java.util.ArrayList<>(java.util.Arrays.asList("a", "b"));
    person.color = Color.GREEN;
    return person;
  }

  public String getName() {
    return name;
  }

  public void setName(String name) {
    this.name = name;
  }

  public int getAge() {
    return age;
  }

  public void setAge(int age) {
    this.age = age;
  }

  public Long getWealth() {
    return wealth;
  }

  public void setWealth(Long wealth) {
    this.wealth = wealth;
  }

  public boolean isActive() {
    return active;
  }

  public void setActive(boolean active) {
    this.active = active;
  }

  public double getScore() {
    return score;
  }

  public void setScore(double score) {
    this.score = score;
  }

  public Address getAddress() {
    return address;
  }

  public void setAddress(Address address) {
    this.address = address;
  }

  public List<String> getTags() {
    return tags;
  }

  public void setTags(List<String> tags) {
    this.tags = tags;
  }

  public Color getColor() {
    return color;
  }

  public void setColor(Color color) {
    this.color = color;
  }

  public Person getFriend() {
    return friend;
  }

  public void setFriend(Person friend) {
    this.friend = friend;
  }

  @Override
  public boolean equals(Object other) {
    if (!(other instanceof Person)) {
      return false;
    }
    Person that = (Person) other;
    return Objects.equals(name, that.name)
        && age == that.age
        && Objects.equals(wealth, that.wealth)
        && active == that.active
        && score == that.score
        && Objects.equals(address, that.address)
        && Objects.equals(tags, that.tags)
        && color == that.color
        && Objects.equals(friend, that.friend);
  }

  @Override
  public int hashCode() {
    return Objects.hash(name, age);
  }

  @Override
  public String toString() {
    return "Person{" + name + ", " + age + ", " + wealth + ", " + active + ", " + score + ", "
        + address + ", " + tags + ", " + color + ", " + friend + "}";
  }
}
