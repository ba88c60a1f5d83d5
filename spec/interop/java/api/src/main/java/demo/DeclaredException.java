// SPDX-License-Identifier: MIT
package demo;

public class DeclaredException extends Exception {
  private static final long serialVersionUID = 1L;
  private int code;

  public DeclaredException() {}

  public DeclaredException(String message) {
    super(message);
  }

  public DeclaredException(String message, int code) {
    super(message);
    this.code = code;
  }

  public int getCode() {
    return code;
  }

  public void setCode(int code) {
    this.code = code;
  }
}
