// SPDX-License-Identifier: MIT
package demo;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;

/** Collections and arrays inside each other, and a field that no serialization carries. */
public class Nest implements Serializable {
  private static final long serialVersionUID = 1L;
  private String name;
  private transient String secret;
  private List<List<String>> rows;
  private List<Map<String, Integer>> tables;
  private Map<String, List<Integer>> groups;
  private Map<String, Map<String, Integer>> deep;
  private Address[] places;

  public static Nest sample() {
    Nest nest = new Nest();
    nest.name = "nest";
    nest.secret = "egg";
    nest.rows = new ArrayList<>();
    nest.rows.add(new ArrayList<>(Arrays.asList("a", "b")));
    nest.rows.add(new ArrayList<>());
    nest.rows.add(new ArrayList<>(Arrays.asList("c")));
    nest.tables = new ArrayList<>();
    nest.tables.add(new TreeMap<>());
    nest.tables.get(0).put("one", 1);
    nest.groups = new TreeMap<>();
    nest.groups.put("even", new ArrayList<>(Arrays.asList(2, 4)));
    nest.deep = new TreeMap<>();
    nest.deep.put("sea", new TreeMap<>(nest.tables.get(0)));
    nest.places = new Address[] {new Address("London", 12), new Address("Paris", 3)};
    return nest;
  }

  public String getName() {
    return name;
  }

  public void setName(String name) {
    this.name = name;
  }

  public List<List<String>> getRows() {
    return rows;
  }

  public void setRows(List<List<String>> rows) {
    this.rows = rows;
  }

  public List<Map<String, Integer>> getTables() {
    return tables;
  }

  public void setTables(List<Map<String, Integer>> tables) {
    this.tables = tables;
  }

  public Map<String, List<Integer>> getGroups() {
    return groups;
  }

  public void setGroups(Map<String, List<Integer>> groups) {
    this.groups = groups;
  }

  public Map<String, Map<String, Integer>> getDeep() {
    return deep;
  }

  public void setDeep(Map<String, Map<String, Integer>> deep) {
    this.deep = deep;
  }

  public Address[] getPlaces() {
    return places;
  }

  public void setPlaces(Address[] places) {
    this.places = places;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Nest && toString().equals(other.toString());
  }

  @Override
  public int hashCode() {
    return Objects.hash(name);
  }

  @Override
  public String toString() {
    return "Nest{" + name + ", " + rows + ", " + tables + ", " + groups + ", " + deep + ", "
        + Arrays.toString(places) + "}";
  }
}
