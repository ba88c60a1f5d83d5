// SPDX-License-Identifier: MIT
package demo.dubbo;

/** Callbacks: the argument is called back over the caller's connection. */
public interface Watch {
  /** What is called back. */
  interface Listener {
    String heard(String text);
  }

  /** Calls back `count` times with "text 1", "text 2", ... and answers what the calls returned. */
  String watch(String text, int count, Listener listener);
}
