// SPDX-License-Identifier: MIT
package demo;

import java.lang.reflect.Array;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.Date;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/** A value as text that a peer in another language writes in the same way: see probe.lua, `told`. */
public final class Told {
  private Told() {}

  public static String of(Object value) {
    try {
      return text(value, 0);
    } catch (IllegalAccessException e) {
      throw new IllegalStateException(e);
    }
  }

  private static String text(Object value, int depth) throws IllegalAccessException {
    if (depth > 8) {
      return "...";
    }
    if (value == null || value instanceof Boolean) {
      return String.valueOf(value);
    }
    if (value instanceof Double || value instanceof Float) {
      return real(((Number) value).doubleValue());
    }
    if (value instanceof Number) {
      return value.toString();
    }
    if (value instanceof String || value instanceof Character) {
      return "'" + value + "'";
    }
    if (value instanceof Date) {
      return "date " + ((Date) value).getTime();
    }
    if (value instanceof Enum) {
      return value.getClass().getName() + " " + ((Enum<?>) value).name();
    }
    String moment = moment(value);
    return moment != null ? moment : many(value, depth);
  }

  private static String real(double value) {
    if (value == Math.rint(value) && Math.abs(value) < 1e15) {
      return Long.toString((long) value);
    }
    return Double.isInfinite(value) ? (value > 0 ? "inf" : "-inf") : Double.toString(value).replace(".0E", "e+");
  }

  private static String moment(Object value) {
    if (value instanceof LocalDate) {
      LocalDate date = (LocalDate) value;
      return "java.time.LocalDate{day=" + date.getDayOfMonth() + ", month=" + date.getMonthValue() + ", year=" + date.getYear() + "}";
    }
    if (value instanceof LocalTime) {
      LocalTime time = (LocalTime) value;
      return "java.time.LocalTime{hour=" + time.getHour() + ", minute=" + time.getMinute() + ", nano=" + time.getNano() + ", second=" + time.getSecond() + "}";
    }
    if (value instanceof LocalDateTime) {
      LocalDateTime both = (LocalDateTime) value;
      return "java.time.LocalDateTime{date=" + moment(both.toLocalDate()) + ", time=" + moment(both.toLocalTime()) + "}";
    }
    if (value instanceof Instant) {
      Instant instant = (Instant) value;
      return "java.time.Instant{nanos=" + instant.getNano() + ", seconds=" + instant.getEpochSecond() + "}";
    }
    if (value instanceof Duration) {
      Duration duration = (Duration) value;
      return "java.time.Duration{nanos=" + duration.getNano() + ", seconds=" + duration.getSeconds() + "}";
    }
    return null;
  }

  private static String many(Object value, int depth) throws IllegalAccessException {
    if (value.getClass().isArray()) {
      List<String> items = new ArrayList<>();
      for (int i = 0; i < Array.getLength(value); i++) {
        items.add(text(Array.get(value, i), depth + 1));
      }
      return (value instanceof byte[] ? "bytes" : "") + items;
    }
    if (value instanceof Collection) {
      List<String> items = new ArrayList<>();
      for (Object item : (Collection<?>) value) {
        items.add(text(item, depth + 1));
      }
      if (value instanceof Set) {
        Collections.sort(items);
      }
      return items.toString();
    }
    TreeMap<String, String> fields = new TreeMap<>();
    if (value instanceof Map) {
      for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet()) {
        fields.put(String.valueOf(entry.getKey()), text(entry.getValue(), depth + 1));
      }
      return fields.toString();
    }
    for (Field field : value.getClass().getDeclaredFields()) {
      if (!Modifier.isStatic(field.getModifiers()) && !Modifier.isTransient(field.getModifiers())) {
        field.setAccessible(true);
        if (field.get(value) != null) {
          fields.put(field.getName(), text(field.get(value), depth + 1));
        }
      }
    }
    return value.getClass().getName() + fields;
  }
}
