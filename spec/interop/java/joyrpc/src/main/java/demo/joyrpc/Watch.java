// SPDX-License-Identifier: MIT
package demo.joyrpc;

import io.joyrpc.Callback;

/** Callbacks: the argument is called back over the caller's connection. */
public interface Watch {
  /** Calls back `count` times with "text 1", "text 2", ... and answers what the calls returned. */
  String watch(String text, int count, Callback<String, String> callback);
}
