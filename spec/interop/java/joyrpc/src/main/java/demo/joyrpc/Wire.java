// SPDX-License-Identifier: MIT
package demo.joyrpc;

import demo.Settings;
import java.io.BufferedReader;
import java.io.DataInputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * What stands between a consumer and a provider: forwards frames of JoyRPC from `port` to `to` and
 * counts them. A provider that ends is dialled anew on the same connection of the consumer, as some
 * balancers do, so that it then gets messages of sessions it has never heard of. Obeys lines: `report`
 * (`frames up TYPE COUNT`, `frames down ...`, `calls up SERIALIZATION COMPRESSION COUNT`, `dials COUNT`), `hold` (nothing passes), `flow`. With
 * `show=BYTES`, a report has each frame of no more bytes too: `frame up HEX`.
 */
public final class Wire {
  private final int to;
  private final int show;
  private final List<String> shown = new ArrayList<>();
  private final Map<String, Integer> frames = new TreeMap<>();
  private final Map<String, Integer> calls = new TreeMap<>();
  private int dials;
  private boolean held;

  private Wire(Settings settings) {
    to = settings.number("to", 22000);
    show = settings.number("show", 0);
  }

  public static void main(String[] args) throws Exception {
    Settings settings = new Settings(args);
    ServerSocket server = new ServerSocket(settings.number("port", 0), 50, InetAddress.getLoopbackAddress());
    Wire wire = new Wire(settings);
    thread(() -> {
      while (true) {
        Socket consumer = server.accept();
        thread(() -> wire.new Pair(consumer).up());
      }
    });
    System.out.println("ready");
    BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
    for (String line; (line = input.readLine()) != null; ) {
      wire.obey(line);
      System.out.println("done " + line);
      System.out.flush();
    }
    System.exit(0);
  }

  private synchronized void obey(String line) {
    held = line.equals("hold") || (held && !line.equals("flow"));
    notifyAll();
    if (line.equals("report")) {
      frames.forEach((key, count) -> System.out.println("frames " + key + " " + count));
      calls.forEach((key, count) -> System.out.println("calls " + key + " " + count));
      System.out.println("dials " + dials);
      shown.forEach(System.out::println);
    }
  }

  private synchronized void pass(String direction, byte[] frame) throws InterruptedException {
    while (held) {
      wait();
    }
    frames.merge(direction + " " + frame[8], 1, Integer::sum);
    if (frame[8] == 1 || frame[8] == 2) {
      calls.merge(direction + " " + frame[17] + " " + frame[18], 1, Integer::sum);
    }
    if (frame.length <= show) {
      StringBuilder line = new StringBuilder("frame ").append(direction).append(' ');
      for (byte each : frame) {
        line.append(String.format("%02x", each));
      }
      shown.add(line.toString());
    }
  }

  private interface Work {
    void run() throws Exception;
  }

  private static void thread(Work work) {
    Thread thread = new Thread(() -> {
      try {
        work.run();
      } catch (Exception e) {
        // an end of a connection
      }
    });
    thread.setDaemon(true);
    thread.start();
  }

  /** A frame and what follows its magic; the type is the third byte behind the length. */
  private static byte[] read(DataInputStream in) throws IOException {
    byte[] head = new byte[6];
    in.readFully(head);
    int length = (head[2] & 255) << 24 | (head[3] & 255) << 16 | (head[4] & 255) << 8 | (head[5] & 255);
    byte[] frame = java.util.Arrays.copyOf(head, length + 2);
    in.readFully(frame, 6, length - 4);
    return frame;
  }

  private final class Pair {
    private final Socket consumer;
    private Socket provider;

    Pair(Socket consumer) {
      this.consumer = consumer;
    }

    /** The provider's socket that stands now; another one when `old` is over. */
    private synchronized Socket dial(Socket old) throws Exception {
      if (provider != null && provider != old) {
        return provider;
      }
      while (!consumer.isClosed()) {
        try {
          provider = new Socket(InetAddress.getLoopbackAddress(), to);
          Socket fresh = provider;
          synchronized (Wire.this) {
            dials++;
          }
          thread(() -> down(fresh));
          return fresh;
        } catch (IOException e) {
          Thread.sleep(50);
        }
      }
      throw new IOException("the consumer is gone");
    }

    void up() throws Exception {
      Socket now = dial(null);
      try {
        DataInputStream in = new DataInputStream(consumer.getInputStream());
        while (true) {
          byte[] frame = read(in);
          pass("up", frame);
          now = write(now, frame);
        }
      } finally {
        consumer.close();
        now.close();
      }
    }

    private Socket write(Socket now, byte[] frame) throws Exception {
      while (true) {
        now = dial(now.isClosed() ? now : null);
        try {
          now.getOutputStream().write(frame);
          return now;
        } catch (IOException e) {
          now.close();
        }
      }
    }

    private void down(Socket from) throws Exception {
      try {
        DataInputStream in = new DataInputStream(from.getInputStream());
        OutputStream out = consumer.getOutputStream();
        while (true) {
          byte[] frame = read(in);
          pass("down", frame);
          out.write(frame);
        }
      } finally {
        from.close();
        dial(from);
      }
    }
  }
}
