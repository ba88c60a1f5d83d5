// SPDX-License-Identifier: MIT
package demo.joyrpc;

import demo.Settings;
import io.joyrpc.config.ConsumerConfig;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;

/**
 * A stock consumer under a steady load. One in a JVM: two of one interface share their nodes, whatever
 * their URLs. Settings: url, rate (calls a second), threads, millis (calls `slow`, else `where`), init
 * (connections to begin with), pad (further bytes of text in each call), warmup, beat, sessionTimeout,
 * initConnectTimeout (ms), and those of Consumer. Obeys the lines of its input: `report` (`calls
 * COUNT`, `skipped COUNT`, `from COUNT NAME`, `failed COUNT WHY`), `take`, `stop`; the end of the
 * input is `stop`.
 */
public final class Load {
  private final Place place;
  private final int millis;
  private final long gapNanos;
  private final String padding;
  private final ExecutorService threads;
  private final AtomicLong calls = new AtomicLong();
  private final AtomicLong skipped = new AtomicLong();
  private final Map<String, Long> answers = new TreeMap<>();
  private final Map<String, Long> failures = new TreeMap<>();
  private volatile boolean stopped;

  private Load(Place place, Settings settings) {
    this.place = place;
    this.millis = settings.number("millis", -1);
    this.gapNanos = 1_000_000_000L / settings.number("rate", 100);
    this.padding = new String(new char[settings.number("pad", 0)]).replace('\0', 'x');
    this.threads =
        new ThreadPoolExecutor(0, settings.number("threads", 64), 10, TimeUnit.SECONDS, new SynchronousQueue<>());
  }

  public static void main(String[] args) throws Exception {
    Settings settings = new Settings(args);
    Life.quiet();
    ConsumerConfig<Place> config = Consumer.refer(settings, Place.class);
    config.setInitSize(settings.number("init", 1));
    option(settings, config, "warmup", "warmupDuration");
    option(settings, config, "beat", "hbInterval");
    option(settings, config, "sessionTimeout", "sessionTimeout");
    option(settings, config, "initConnectTimeout", "initConnectTimeout");
    Load load = new Load(config.refer().get(30, TimeUnit.SECONDS), settings);
    new Thread(load::run, "load").start();
    System.out.println("ready");
    BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
    String line;
    while ((line = input.readLine()) != null && !line.equals("stop")) {
      load.obey(line);
      System.out.println("done " + line);
      System.out.flush();
    }
    load.stop();
    System.exit(0);
  }

  private static void option(Settings settings, ConsumerConfig<Place> config, String name, String option) {
    if (settings.values.containsKey(name)) {
      config.setParameter(option, settings.get(name, ""));
    }
  }

  private void run() {
    long next = System.nanoTime();
    for (long number = 0; !stopped; number++) {
      String text = "call " + number + padding;
      try {
        threads.execute(() -> call(text));
      } catch (RejectedExecutionException e) {
        skipped.incrementAndGet();
      }
      next += gapNanos;
      long left = next - System.nanoTime();
      if (left > 0) {
        LockSupport.parkNanos(left);
      } else if (left < -1_000_000_000L) {
        next = System.nanoTime();
      }
    }
  }

  private void call(String text) {
    calls.incrementAndGet();
    try {
      String answer = millis >= 0 ? place.slow(text, millis) : place.where(text);
      int at = answer.indexOf(':');
      boolean mine = at > 0 && answer.substring(at + 1).equals(text);
      count(mine ? answers : failures, mine ? answer.substring(0, at) : "another answer: " + answer);
    } catch (Throwable e) {
      count(failures, kind(e));
    }
  }

  private static String kind(Throwable e) {
    String text = e.getClass().getSimpleName() + ": " + e.getMessage();
    for (Throwable cause = e.getCause(); cause != null; cause = cause.getCause()) {
      text += " <- " + cause.getClass().getSimpleName() + ": " + cause.getMessage();
    }
    text = text.replaceAll("\\d{3,}", "N").replaceAll("\\s+", " ");
    return text.length() > 300 ? text.substring(0, 300) : text;
  }

  private static void count(Map<String, Long> counts, String key) {
    synchronized (counts) {
      counts.merge(key, 1L, Long::sum);
    }
  }

  /** `take` is a report after which counting begins anew; nothing is lost in between. */
  private void obey(String line) {
    boolean anew = line.equals("take");
    System.out.println("calls " + (anew ? calls.getAndSet(0) : calls.get()));
    System.out.println("skipped " + (anew ? skipped.getAndSet(0) : skipped.get()));
    show("from", answers, anew);
    show("failed", failures, anew);
  }

  private void show(String what, Map<String, Long> counts, boolean anew) {
    synchronized (counts) {
      counts.forEach((key, count) -> System.out.println(what + " " + count + " " + key));
      if (anew) {
        counts.clear();
      }
    }
  }

  private void stop() throws InterruptedException {
    stopped = true;
    threads.shutdown();
    threads.awaitTermination(10, TimeUnit.SECONDS);
    obey("report");
    System.out.println("stopped");
    System.out.flush();
  }
}
