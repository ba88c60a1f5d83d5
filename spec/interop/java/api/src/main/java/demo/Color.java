// SPDX-License-Identifier: MIT
package demo;

public enum Color {
  RED,
  GREEN,
  BLUE
}
