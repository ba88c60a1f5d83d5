// SPDX-License-Identifier: MIT
package demo.joyrpc;

/** Who answers, so that a consumer can tell its providers apart. */
public interface Place {
  /** "name:text"; of a relay "name>other:text". */
  String where(String text);

  /** The same after so many milliseconds. */
  String slow(String text, int millis);
}
