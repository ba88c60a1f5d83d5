// SPDX-License-Identifier: MIT
package demo;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.ZoneId;
import java.time.ZonedDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Date;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.LinkedList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;

/**
 * What a Java consumer does with the service, whichever framework carries it. One line a case on
 * standard output: `ok NAME`, or `not ok NAME: what was seen instead`; the last line is `done`.
 */
public final class Cases {
  private final Map<String, Callable<String>> cases = new LinkedHashMap<>();
  private boolean tells = true;

  /** A case: null is success, anything else says what was wrong. */
  public Cases add(String name, Callable<String> body) {
    cases.put(name, body);
    return this;
  }

  /** @param only names of the cases to run; empty runs all */
  public void run(List<String> only) {
    run(only, "");
    System.out.println("done");
    System.out.flush();
  }

  /** The same without `done`, with something in front of the names. */
  public void run(List<String> only, String prefix) {
    Callable<String> last = cases.remove("cycle"); // it ends connections where it cannot be written
    if (last != null) {
      cases.put("cycle", last);
    }
    cases.forEach(
        (name, body) -> {
          if (!only.isEmpty() && !only.contains(name)) {
            return;
          }
          String wrong;
          try {
            wrong = body.call();
          } catch (Throwable e) {
            wrong = "threw " + describe(e);
          }
          System.out.println(wrong == null ? "ok " + prefix + name : "not ok " + prefix + name + ": " + oneLine(wrong));
        });
  }

  /** The cases that every framework has. Settings: `tells=no` for peers whose `told` cannot be read, timeout. */
  public static Cases of(Probe probe, Settings settings) {
    Cases cases = new Cases();
    cases.tells = settings.get("tells", "yes").equals("yes");
    cases.answers(probe);
    cases.scalars(probe);
    cases.collections(probe);
    cases.objects(probe);
    cases.add("no such method", () -> refused("absent", probe::absent));
    cases.add("timeout", () -> timeout(probe, settings.number("timeout", 5000)));
    return cases;
  }

  private void answers(Probe probe) {
    add("sync", () -> same("Hi moon", probe.sayHello("moon")));
    add("void", () -> {
      probe.touch();
      return null;
    });
    add("null result", () -> same(null, probe.nothing()));
    add("null argument", () -> echoed(probe, null, probe.echoString(null)));
    add("async", () -> same("later x", probe.later("x").get(5, TimeUnit.SECONDS)));
    add("declared exception", () -> {
      try {
        probe.failDeclared("no luck");
        return "nothing was thrown";
      } catch (DeclaredException e) {
        return same("no luck", e.getMessage());
      }
    });
    add("undeclared exception", () -> {
      try {
        probe.failUnchecked("broken");
        return "nothing was thrown";
      } catch (RuntimeException e) {
        return String.valueOf(e.getMessage()).contains("broken") ? null : describe(e);
      }
    });
    add("1 MiB", () -> {
      byte[] bytes = new ProbeImpl(null).blob(1 << 20);
      return Arrays.equals(bytes, probe.echoBytes(bytes)) ? null : "other bytes";
    });
    add("1 MiB string", () -> {
      String text = new String(new char[1 << 18]).replace("\0", "\u6708a\u00e9 ");
      return text.equals(probe.echoString(text)) ? null : "another string";
    });
  }

  /** null when the call fails at once, saying that there is no such thing. */
  public static String refused(String name, Callable<String> call) {
    try {
      return "answered " + call.call();
    } catch (Throwable e) {
      String text = describe(e);
      return text.contains(name) && !text.contains("imeoutException") ? null : text;
    }
  }

  /** null when a call that takes a second more than the limit ends as one that took too long. */
  public static String timeout(Probe probe, int limit) {
    try {
      return "answered " + probe.slow(limit + 1000);
    } catch (Throwable e) {
      return describe(e).matches("(?is).*(time-?out|deadline exceeded).*") ? null : describe(e);
    }
  }

  private void scalars(Probe probe) {
    add("boolean", () -> echoed(probe, true, probe.echoBoolean(true)));
    add("byte", () -> echoed(probe, (byte) -7, probe.echoByte((byte) -7)));
    add("short", () -> echoed(probe, (short) -12345, probe.echoShort((short) -12345)));
    add("int", () -> {
      for (int value : new int[] {0, -16, 47, 48, -2048, 2047, 262143, Integer.MIN_VALUE, Integer.MAX_VALUE}) {
        String wrong = probe.echoInt(value) == value ? told(probe, value) : "not " + value;
        if (wrong != null) {
          return wrong;
        }
      }
      return null;
    });
    add("long", () -> {
      for (long value : new long[] {0, -8, 15, 16, 2047, 262143, 1L << 40, -(1L << 53), Long.MIN_VALUE, Long.MAX_VALUE}) {
        String wrong = probe.echoLong(value) == value ? told(probe, value) : "not " + value;
        if (wrong != null) {
          return wrong;
        }
      }
      return null;
    });
    add("float", () -> echoed(probe, 1.5f, probe.echoFloat(1.5f)));
    add("double", () -> {
      for (double value : new double[] {0, 1, -128, 127, 32767, 12.25, 0.1, 1e300, Double.NEGATIVE_INFINITY}) {
        String wrong = probe.echoDouble(value) == value ? told(probe, value) : "not " + value;
        if (wrong != null) {
          return wrong;
        }
      }
      return null;
    });
    add("char", () -> echoed(probe, '\u6708', probe.echoChar('\u6708')));
    add("Integer", () -> echoed(probe, 42, probe.echoInteger(42)));
    add("Integer null", () -> echoed(probe, null, probe.echoInteger(null)));
    add("Long", () -> echoed(probe, 1L << 60, probe.echoBoxedLong(1L << 60)));
    add("Double", () -> echoed(probe, 12.0, probe.echoBoxedDouble(12.0)));
    add("Float", () -> echoed(probe, 0.5f, probe.echoBoxedFloat(0.5f)));
    add("Boolean", () -> echoed(probe, false, probe.echoBoxedBoolean(false)));
    add("String", () -> echoed(probe, "\u00e9\u6708\ud83d\ude80\n\"", probe.echoString("\u00e9\u6708\ud83d\ude80\n\"")));
    add("empty String", () -> echoed(probe, "", probe.echoString("")));
  }

  private void collections(Probe probe) {
    add("byte[]", () -> {
      byte[] bytes = {0, 1, -1, 127, -128};
      return Arrays.equals(bytes, probe.echoBytes(bytes)) ? told(probe, bytes) : "other bytes";
    });
    add("int[]", () -> {
      int[] ints = {1, -2, Integer.MAX_VALUE};
      return Arrays.equals(ints, probe.echoInts(ints)) ? told(probe, ints) : "other numbers";
    });
    add("long[]", () -> {
      long[] longs = {1, -2, Long.MIN_VALUE};
      return Arrays.equals(longs, probe.echoLongs(longs)) ? told(probe, longs) : "other numbers";
    });
    add("double[]", () -> {
      double[] doubles = {0.5, -1, 1e300};
      return Arrays.equals(doubles, probe.echoDoubles(doubles)) ? told(probe, doubles) : "other numbers";
    });
    add("float[]", () -> {
      float[] floats = {0.5f, -1};
      return Arrays.equals(floats, probe.echoFloats(floats)) ? told(probe, floats) : "other numbers";
    });
    add("short[]", () -> {
      short[] shorts = {1, Short.MIN_VALUE};
      return Arrays.equals(shorts, probe.echoShorts(shorts)) ? told(probe, shorts) : "other numbers";
    });
    add("boolean[]", () -> {
      boolean[] booleans = {true, false};
      return Arrays.equals(booleans, probe.echoBooleans(booleans)) ? told(probe, booleans) : "other values";
    });
    add("Object[]", () -> {
      Object[] objects = {"text", 7, null, true};
      return Arrays.equals(objects, probe.echoObjects(objects)) ? told(probe, objects) : "other values";
    });
    add("String[]", () -> {
      String[] strings = {"a", null, "c"};
      return Arrays.equals(strings, probe.echoStrings(strings)) ? told(probe, strings) : "other strings";
    });
    add("List", () -> {
      List<String> list = new ArrayList<>(Arrays.asList("a", null, "c"));
      return echoed(probe, list, probe.echoList(list));
    });
    add("empty List", () -> echoed(probe, new ArrayList<>(), probe.echoList(new ArrayList<>())));
    add("Set", () -> {
      LinkedHashSet<String> set = new LinkedHashSet<>(Arrays.asList("x", "y"));
      return echoed(probe, set, probe.echoSet(set));
    });
    add("LinkedList", () -> {
      LinkedList<String> list = new LinkedList<>(Arrays.asList("a", "b"));
      return echoed(probe, list, probe.echoLinkedList(list));
    });
    add("LinkedHashMap", () -> {
      LinkedHashMap<String, Integer> map = new LinkedHashMap<>();
      for (String key : new String[] {"z", "b", "y", "a", "x"}) {
        map.put(key, map.size());
      }
      return echoed(probe, map, probe.echoOrdered(map));
    });
    add("TreeMap", () -> {
      TreeMap<String, Integer> map = new TreeMap<>();
      map.put("one", 1);
      return echoed(probe, map, probe.echoSorted(map));
    });
    add("Map", () -> {
      Map<String, Object> map = new HashMap<>();
      map.put("text", "t");
      map.put("number", 7);
      map.put("flag", true);
      map.put("list", new ArrayList<>(Arrays.asList(1, 2)));
      map.put("inner", new HashMap<>(java.util.Collections.singletonMap("k", "v")));
      return echoed(probe, map, probe.echoMap(map));
    });
    add("Map of Integer", () -> {
      Map<Integer, String> map = new HashMap<>();
      map.put(1, "one");
      map.put(2000, "many");
      return echoed(probe, map, probe.echoIntMap(map));
    });
  }

  private void objects(Probe probe) {
    add("BigDecimal", () -> echoed(probe, new BigDecimal("12345678901234567890.125"), probe.echoDecimal(new BigDecimal("12345678901234567890.125"))));
    add("BigInteger", () -> {
      BigInteger value = BigInteger.ONE.shiftLeft(100).negate();
      return echoed(probe, value, probe.echoBigInteger(value));
    });
    add("Date", () -> echoed(probe, new Date(1600000000123L), probe.echoDate(new Date(1600000000123L))));
    add("LocalDate", () -> echoed(probe, LocalDate.of(2024, 2, 29), probe.echoLocalDate(LocalDate.of(2024, 2, 29))));
    add("LocalTime", () -> echoed(probe, LocalTime.of(1, 2, 3, 4), probe.echoLocalTime(LocalTime.of(1, 2, 3, 4))));
    add("LocalDateTime", () -> {
      LocalDateTime value = LocalDateTime.of(2024, 2, 29, 1, 2, 3, 4);
      return echoed(probe, value, probe.echoLocalDateTime(value));
    });
    add("Instant", () -> echoed(probe, Instant.ofEpochSecond(1600000000L, 5), probe.echoInstant(Instant.ofEpochSecond(1600000000L, 5))));
    add("Duration", () -> echoed(probe, Duration.ofSeconds(90, 7), probe.echoDuration(Duration.ofSeconds(90, 7))));
    add("ZonedDateTime", () -> {
      ZonedDateTime value = ZonedDateTime.of(2024, 2, 29, 1, 2, 3, 4, ZoneId.of("Asia/Shanghai"));
      return same(value, probe.echoZoned(value));
    });
    add("enum", () -> echoed(probe, Color.BLUE, probe.echoColor(Color.BLUE)));
    add("object", () -> echoed(probe, Person.sample(), probe.echoPerson(Person.sample())));
    add("object in itself", () -> {
      Person person = Person.sample();
      person.setFriend(Person.sample());
      return echoed(probe, person, probe.echoPerson(person));
    });
    add("cycle", () -> {
      Person person = Person.sample();
      person.setFriend(person);
      Person back = probe.echoPerson(person);
      return back.getFriend() == back ? null : "the reference is lost";
    });
    add("List of objects", () -> {
      List<Person> people = new ArrayList<>(Arrays.asList(Person.sample(), Person.sample()));
      return echoed(probe, people, probe.echoPeople(people));
    });
    add("object of collections", () -> echoed(probe, Nest.sample(), probe.echoNest(Nest.sample())));
    add("List of lists", () -> echoed(probe, Nest.sample().getRows(), probe.echoRows(Nest.sample().getRows())));
    add("array of objects", () -> {
      Address[] places = Nest.sample().getPlaces();
      return Arrays.equals(places, probe.echoPlaces(places)) ? told(probe, places) : "other places";
    });
    add("Object", () -> echoed(probe, "text", probe.echoObject("text")));
    add("Object that is an object", () -> echoed(probe, Person.sample(), probe.echoObject(Person.sample())));
  }

  /** null when the answer is what was sent, and the peer had just that; else what was seen. */
  private String echoed(Probe probe, Object sent, Object answer) {
    String wrong = same(sent, answer);
    return wrong != null ? wrong : told(probe, sent);
  }

  private String told(Probe probe, Object sent) {
    return !tells ? null : same(Told.of(sent), probe.told());
  }

  /** null when equal, else what was seen. */
  public static String same(Object expected, Object seen) {
    if (Objects.equals(expected, seen)) {
      return null;
    }
    return "expected " + expected + ", got " + seen + (seen == null ? "" : " (" + seen.getClass().getName() + ")");
  }

  private static String describe(Throwable e) {
    StringBuilder text = new StringBuilder(e.toString());
    for (Throwable cause = e.getCause(); cause != null && text.length() < 600; cause = cause.getCause()) {
      text.append(" <- ").append(cause);
    }
    return text.toString();
  }

  private static String oneLine(String text) {
    String line = text.replaceAll("\\s+", " ");
    return line.length() > 700 ? line.substring(0, 700) : line;
  }
}
