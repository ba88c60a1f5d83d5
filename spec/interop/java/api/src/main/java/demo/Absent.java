// SPDX-License-Identifier: MIT
package demo;

/** A service that no provider has. */
public interface Absent {
  String absent();
}
