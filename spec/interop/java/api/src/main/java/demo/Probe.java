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

/** One method for every type and every way to answer; `echo...` returns what it was given. */
public interface Probe {
  String sayHello(String name);

  void touch();

  String nothing();

  CompletableFuture<String> later(String text);

  /** Answers after so many milliseconds. */
  String slow(int millis);

  /** Throws DeclaredException with this message and code 7. */
  String failDeclared(String message) throws DeclaredException;

  /** Throws IllegalStateException with this message, caused by an IllegalArgumentException. */
  String failUnchecked(String message);

  /** The value of the implicit parameter of this name that came with the call. */
  String attachment(String name);

  /** So many bytes, the n-th being n modulo 251. */
  byte[] blob(int length);

  /** A provider in Lua does not have it. */
  String absent();

  /** What the last echo was given, as text: see Told. */
  String told();

  boolean echoBoolean(boolean value);

  byte echoByte(byte value);

  short echoShort(short value);

  int echoInt(int value);

  long echoLong(long value);

  float echoFloat(float value);

  double echoDouble(double value);

  char echoChar(char value);

  Integer echoInteger(Integer value);

  Long echoBoxedLong(Long value);

  String echoString(String value);

  byte[] echoBytes(byte[] value);

  int[] echoInts(int[] value);

  long[] echoLongs(long[] value);

  String[] echoStrings(String[] value);

  double[] echoDoubles(double[] value);

  float[] echoFloats(float[] value);

  short[] echoShorts(short[] value);

  boolean[] echoBooleans(boolean[] value);

  Object[] echoObjects(Object[] value);

  Double echoBoxedDouble(Double value);

  Float echoBoxedFloat(Float value);

  Boolean echoBoxedBoolean(Boolean value);

  LinkedList<String> echoLinkedList(LinkedList<String> value);

  LinkedHashMap<String, Integer> echoOrdered(LinkedHashMap<String, Integer> value);

  TreeMap<String, Integer> echoSorted(TreeMap<String, Integer> value);

  ZonedDateTime echoZoned(ZonedDateTime value);

  List<String> echoList(List<String> value);

  Set<String> echoSet(Set<String> value);

  Map<String, Object> echoMap(Map<String, Object> value);

  Map<Integer, String> echoIntMap(Map<Integer, String> value);

  BigDecimal echoDecimal(BigDecimal value);

  BigInteger echoBigInteger(BigInteger value);

  Date echoDate(Date value);

  LocalDate echoLocalDate(LocalDate value);

  LocalTime echoLocalTime(LocalTime value);

  LocalDateTime echoLocalDateTime(LocalDateTime value);

  Instant echoInstant(Instant value);

  Duration echoDuration(Duration value);

  Color echoColor(Color value);

  Person echoPerson(Person value);

  List<Person> echoPeople(List<Person> value);

  Nest echoNest(Nest value);

  List<List<String>> echoRows(List<List<String>> value);

  Address[] echoPlaces(Address[] value);

  Object echoObject(Object value);
}
