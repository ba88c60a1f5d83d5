// SPDX-License-Identifier: MIT
package demo;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.ZonedDateTime;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.LinkedList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;

public class ProbeImpl implements Probe {
  private final Function<String, Object> attachments;
  private volatile Object last;

  /** @param attachments how this framework tells the implicit parameter of a name */
  public ProbeImpl(Function<String, Object> attachments) {
    this.attachments = attachments;
  }

  private <T> T keep(T value) {
    last = value;
    return value;
  }

  @Override
  public String absent() {
    return "here";
  }

  @Override
  public String told() {
    return Told.of(last);
  }

  @Override
  public String sayHello(String name) {
    return "Hi " + name;
  }

  @Override
  public void touch() {}

  @Override
  public String nothing() {
    return null;
  }

  @Override
  public CompletableFuture<String> later(String text) {
    return CompletableFuture.supplyAsync(() -> "later " + text);
  }

  @Override
  public String slow(int millis) {
    try {
      Thread.sleep(millis);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    return "slept";
  }

  @Override
  public String failDeclared(String message) throws DeclaredException {
    throw new DeclaredException(message, 7);
  }

  @Override
  public String failUnchecked(String message) {
    throw new IllegalStateException(message, new IllegalArgumentException("the cause"));
  }

  @Override
  public String attachment(String name) {
    Object value = attachments.apply(name);
    return value == null ? null : value.toString();
  }

  @Override
  public byte[] blob(int length) {
    byte[] bytes = new byte[length];
    for (int i = 0; i < length; i++) {
      bytes[i] = (byte) (i % 251);
    }
    return bytes;
  }

  @Override
  public boolean echoBoolean(boolean value) {
    return keep(value);
  }

  @Override
  public byte echoByte(byte value) {
    return keep(value);
  }

  @Override
  public short echoShort(short value) {
    return keep(value);
  }

  @Override
  public int echoInt(int value) {
    return keep(value);
  }

  @Override
  public long echoLong(long value) {
    return keep(value);
  }

  @Override
  public float echoFloat(float value) {
    return keep(value);
  }

  @Override
  public double echoDouble(double value) {
    return keep(value);
  }

  @Override
  public char echoChar(char value) {
    return keep(value);
  }

  @Override
  public Integer echoInteger(Integer value) {
    return keep(value);
  }

  @Override
  public Long echoBoxedLong(Long value) {
    return keep(value);
  }

  @Override
  public String echoString(String value) {
    return keep(value);
  }

  @Override
  public byte[] echoBytes(byte[] value) {
    return keep(value);
  }

  @Override
  public int[] echoInts(int[] value) {
    return keep(value);
  }

  @Override
  public long[] echoLongs(long[] value) {
    return keep(value);
  }

  @Override
  public String[] echoStrings(String[] value) {
    return keep(value);
  }

  @Override
  public double[] echoDoubles(double[] value) {
    return keep(value);
  }

  @Override
  public float[] echoFloats(float[] value) {
    return keep(value);
  }

  @Override
  public short[] echoShorts(short[] value) {
    return keep(value);
  }

  @Override
  public boolean[] echoBooleans(boolean[] value) {
    return keep(value);
  }

  @Override
  public Object[] echoObjects(Object[] value) {
    return keep(value);
  }

  @Override
  public Double echoBoxedDouble(Double value) {
    return keep(value);
  }

  @Override
  public Float echoBoxedFloat(Float value) {
    return keep(value);
  }

  @Override
  public Boolean echoBoxedBoolean(Boolean value) {
    return keep(value);
  }

  @Override
  public LinkedList<String> echoLinkedList(LinkedList<String> value) {
    return keep(value);
  }

  @Override
  public LinkedHashMap<String, Integer> echoOrdered(LinkedHashMap<String, Integer> value) {
    return keep(value);
  }

  @Override
  public TreeMap<String, Integer> echoSorted(TreeMap<String, Integer> value) {
    return keep(value);
  }

  @Override
  public ZonedDateTime echoZoned(ZonedDateTime value) {
    return keep(value);
  }

  @Override
  public List<String> echoList(List<String> value) {
    return keep(value);
  }

  @Override
  public Set<String> echoSet(Set<String> value) {
    return keep(value);
  }

  @Override
  public Map<String, Object> echoMap(Map<String, Object> value) {
    return keep(value);
  }

  @Override
  public Map<Integer, String> echoIntMap(Map<Integer, String> value) {
    return keep(value);
  }

  @Override
  public BigDecimal echoDecimal(BigDecimal value) {
    return keep(value);
  }

  @Override
  public BigInteger echoBigInteger(BigInteger value) {
    return keep(value);
  }

  @Override
  public Date echoDate(Date value) {
    return keep(value);
  }

  @Override
  public LocalDate echoLocalDate(LocalDate value) {
    return keep(value);
  }

  @Override
  public LocalTime echoLocalTime(LocalTime value) {
    return keep(value);
  }

  @Override
  public LocalDateTime echoLocalDateTime(LocalDateTime value) {
    return keep(value);
  }

  @Override
  public Instant echoInstant(Instant value) {
    return keep(value);
  }

  @Override
  public Duration echoDuration(Duration value) {
    return keep(value);
  }

  @Override
  public Color echoColor(Color value) {
    return keep(value);
  }

  @Override
  public Person echoPerson(Person value) {
    return keep(value);
  }

  @Override
  public List<Person> echoPeople(List<Person> value) {
    return keep(value);
  }

  @Override
  public Nest echoNest(Nest value) {
    return keep(value);
  }

  @Override
  public List<List<String>> echoRows(List<List<String>> value) {
    return keep(value);
  }

  @Override
  public Address[] echoPlaces(Address[] value) {
    return keep(value);
  }

  @Override
  public Object echoObject(Object value) {
    return keep(value);
  }
}
