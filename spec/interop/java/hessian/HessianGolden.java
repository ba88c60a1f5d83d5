// SPDX-License-Identifier: MIT
// Golden bytes of Java's Hessian implementations, for spec/support/golden/hessian2_*.txt:
//
//   java $OPEN -cp hessian-4.0.66.jar HessianGolden.java com.caucho.hessian.io
//      > hessian2_caucho.txt
//   java $OPEN -cp hessian-lite-3.2.13.jar HessianGolden.java com.alibaba.com.caucho.hessian.io
//      > hessian2_dubbo.txt
//
// where OPEN is --add-opens java.base/PACKAGE=ALL-UNNAMED for java.lang, java.math, java.util and
// java.time, and the same of java.sql/java.sql.
//
// Each line: the name of a value, a tab, its bytes (none for values of more than GOLDEN_MAX bytes). `read` as second argument does the reverse: for
// each such line on the standard input it prints the name and the value that Java reads.
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.Serializable;
import java.lang.reflect.Array;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Date;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

public class HessianGolden {
  public enum Color { RED, GREEN }

  public static class Point implements Serializable {
    public int x;
    public int y;

    public Point() {}

    public Point(int x, int y) {
      this.x = x;
      this.y = y;
    }

    @Override
    public String toString() {
      return "Point(" + x + "," + y + ")";
    }
  }

  public static class Node implements Serializable {
    public String name;
    public Node next;
  }

  public static class Everything implements Serializable {
    public boolean flag = true;
    public byte tiny = 7;
    public short small = -300;
    public int number = 70000;
    public long large = 1L << 40;
    public float ratio = 1.5f;
    public double real = 2.25;
    public char letter = 'x';
    public String text = "moon";
    public Date date = new Date(1700000000123L);
    public byte[] data = {1, 2, 3};
    public Color color = Color.GREEN;
    public List<Object> list = new ArrayList<>(Arrays.asList(1, null, "two"));
    public Map<String, Object> map = new HashMap<>(Map.of("k", 1L));
    public BigDecimal decimal = new BigDecimal("12.50");
    public Object nothing = null;
  }

  private static final int GOLDEN_MAX = 2048;
  private static final Map<String, Object> VALUES = new LinkedHashMap<>();

  private static void numbers() {
    for (int i : new int[] {0, -16, 47, -17, 48, -2048, 2047, -2049, 2048, -262144, 262143, -262145,
             262144, Integer.MIN_VALUE, Integer.MAX_VALUE}) {
      VALUES.put("int " + i, i);
    }
    for (long i : new long[] {0, -8, 15, -9, 16, -2048, 2047, -2049, 2048, -262144, 262143, -262145,
             262144, Integer.MIN_VALUE, Integer.MAX_VALUE, Integer.MIN_VALUE - 1L,
             Integer.MAX_VALUE + 1L, 1L << 53, -(1L << 53)}) {
      VALUES.put("long " + i, i);
    }
    for (double d : new double[] {0, 1, -1, 127, -128, 128, -129, 32767, -32768, 32768, 0.5, 12.25,
             -12.345, 0.001, 3.141592653589793, 1e300, 5e-324}) {
      VALUES.put("double " + d, d);
    }
    VALUES.put("true", true);
    VALUES.put("false", false);
    VALUES.put("null", null);
  }

  private static void texts() {
    for (int n : new int[] {0, 1, 31, 32, 1023, 1024, 32768, 32769, 65537}) {
      VALUES.put("string " + n, "x".repeat(n));
    }
    VALUES.put("string umlaut", "\u00e9t\u00e9");
    VALUES.put("string euro", "\u20ac");
    VALUES.put("string moon", "a\ud83c\udf19b");
    VALUES.put("string split", "x".repeat(32767) + "\ud83c\udf19");
    for (int n : new int[] {0, 15, 16, 1023, 1024, 40000}) {
      VALUES.put("bytes " + n, new byte[n]);
    }
  }

  private static void dates() {
    for (long ms : new long[] {0, 60000, -60000, 1, -1, 1700000000123L, 894621091000L, 894621060000L}) {
      VALUES.put("date " + ms, new Date(ms));
    }
  }

  private static void collections() {
    VALUES.put("list empty", new ArrayList<>());
    VALUES.put("list 3", new ArrayList<>(Arrays.asList(1, "two", null)));
    List<Object> eight = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      eight.add(i);
    }
    VALUES.put("list 8", eight);
    VALUES.put("list linked", new LinkedList<>(Arrays.asList(1, 2)));
    VALUES.put("array int", new int[] {1, 2, 3});
    VALUES.put("array long", new long[] {1, 2, 3});
    VALUES.put("array double", new double[] {1.5, 2});
    VALUES.put("array string", new String[] {"a", null});
    VALUES.put("array object", new Object[] {1, "a"});
    VALUES.put("array of arrays", new int[][] {{1}, {2, 3}});
    VALUES.put("map empty", new HashMap<>());
    VALUES.put("map one", new HashMap<>(Map.of("a", 1)));
    VALUES.put("map int", new HashMap<>(Map.of(5, "five")));
    Map<String, Object> linked = new LinkedHashMap<>();
    linked.put("z", 1);
    linked.put("a", 2);
    VALUES.put("map linked", linked);
    VALUES.put("map tree", new TreeMap<>(linked));
    VALUES.put("map enum", new HashMap<>(Map.of(Color.RED, 1)));
  }

  private static void objects() {
    VALUES.put("object", new Point(1, 2));
    VALUES.put("objects", new ArrayList<>(Arrays.asList(new Point(1, 2), new Point(3, 4))));
    VALUES.put("enum", Color.RED);
    Point point = new Point(5, 6);
    VALUES.put("shared", new ArrayList<>(Arrays.asList(point, point)));
    Node node = new Node();
    node.name = "loop";
    node.next = node;
    VALUES.put("cycle", node);
    VALUES.put("everything", new Everything());
    VALUES.put("decimal", new BigDecimal("-12.50"));
    VALUES.put("bigint", new BigInteger("123456789012345678901234567890"));
    VALUES.put("float", 1.5f);
    VALUES.put("short", (short) 300);
    VALUES.put("byte", (byte) 7);
    VALUES.put("char", 'x');
    RuntimeException error = new IllegalStateException("broken", new RuntimeException("cause"));
    error.setStackTrace(new StackTraceElement[] {new StackTraceElement("a.B", "c", "B.java", 7)});
    error.getCause().setStackTrace(new StackTraceElement[0]);
    VALUES.put("exception", error);
    VALUES.put("sql date", new java.sql.Timestamp(1700000000123L));
    VALUES.put("locale", java.util.Locale.GERMANY);
    VALUES.put("uuid", new java.util.UUID(1, 2));
  }

  private static void times() {
    VALUES.put("time LocalDate", java.time.LocalDate.of(2024, 2, 29));
    VALUES.put("time LocalTime", java.time.LocalTime.of(12, 34, 56, 789));
    VALUES.put("time LocalDateTime", java.time.LocalDateTime.of(2024, 2, 29, 12, 34, 56));
    VALUES.put("time Instant", java.time.Instant.ofEpochSecond(1700000000L, 5));
    VALUES.put("time Duration", java.time.Duration.ofSeconds(90, 5));
    VALUES.put("time Period", java.time.Period.of(1, 2, 3));
    VALUES.put("time Year", java.time.Year.of(2024));
    VALUES.put("time YearMonth", java.time.YearMonth.of(2024, 2));
    VALUES.put("time MonthDay", java.time.MonthDay.of(2, 29));
    VALUES.put("time ZoneOffset", java.time.ZoneOffset.ofHours(2));
    VALUES.put("time OffsetDateTime",
        java.time.OffsetDateTime.of(2024, 2, 29, 12, 0, 0, 0, java.time.ZoneOffset.ofHours(2)));
    VALUES.put("time ZonedDateTime", java.time.ZonedDateTime.of(2024, 2, 29, 12, 0, 0, 0,
        java.time.ZoneId.of("Europe/Berlin")));
  }

  private static byte[] write(Class<?> type, Object value) throws Exception {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    Object out = type.getConstructor(OutputStream.class).newInstance(bytes);
    type.getMethod("writeObject", Object.class).invoke(out, value);
    type.getMethod("flush").invoke(out);
    return bytes.toByteArray();
  }

  private static String hex(byte[] bytes) {
    StringBuilder text = new StringBuilder();
    for (byte b : bytes) {
      text.append(String.format("%02x", b));
    }
    return text.toString();
  }

  private static byte[] unhex(String text) {
    byte[] bytes = new byte[text.length() / 2];
    for (int i = 0; i < bytes.length; i++) {
      bytes[i] = (byte) Integer.parseInt(text.substring(2 * i, 2 * i + 2), 16);
    }
    return bytes;
  }

  private static String show(Object value) {
    if (value == null || !value.getClass().isArray()) {
      return value == null ? "null" : value.getClass().getName() + " " + value;
    }
    StringBuilder text = new StringBuilder(value.getClass().getName());
    for (int i = 0; i < Array.getLength(value); i++) {
      text.append(' ').append(Array.get(value, i));
    }
    return text.toString();
  }

  private static void read(Class<?> type) throws Exception {
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
    for (String line; (line = lines.readLine()) != null;) {
      String[] parts = line.split("\t");
      try {
        InputStream bytes = new ByteArrayInputStream(unhex(parts[1]));
        Object in = type.getConstructor(InputStream.class).newInstance(bytes);
        System.out.println(parts[0] + "\t" + show(type.getMethod("readObject").invoke(in)));
      } catch (Exception e) {
        System.out.println(parts[0] + "\tfailed: " + (e.getCause() != null ? e.getCause() : e));
      }
    }
  }

  public static void main(String[] args) throws Exception {
    if (args.length > 1 && args[1].equals("read")) {
      read(Class.forName(args[0] + ".Hessian2Input"));
      return;
    }
    numbers();
    texts();
    dates();
    collections();
    objects();
    times();
    Class<?> type = Class.forName(args[0] + ".Hessian2Output");
    for (Map.Entry<String, Object> entry : VALUES.entrySet()) {
      try {
        byte[] bytes = write(type, entry.getValue());
        if (bytes.length <= GOLDEN_MAX) {
          System.out.println(entry.getKey() + "\t" + hex(bytes));
        }
      } catch (Exception e) {
        System.err.println(entry.getKey() + ": " + (e.getCause() != null ? e.getCause() : e));
      }
    }
  }
}
