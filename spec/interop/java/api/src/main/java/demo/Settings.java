// SPDX-License-Identifier: MIT
package demo;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** `key=value` words of the command line; all others are kept in order. */
public final class Settings {
  public final Map<String, String> values = new HashMap<>();
  public final List<String> rest = new ArrayList<>();

  public Settings(String[] args) {
    for (String arg : args) {
      int at = arg.indexOf('=');
      if (at > 0) {
        values.put(arg.substring(0, at), arg.substring(at + 1));
      } else {
        rest.add(arg);
      }
    }
  }

  public String get(String name, String otherwise) {
    return values.getOrDefault(name, otherwise);
  }

  public int number(String name, int otherwise) {
    return values.containsKey(name) ? Integer.parseInt(values.get(name)) : otherwise;
  }
}
