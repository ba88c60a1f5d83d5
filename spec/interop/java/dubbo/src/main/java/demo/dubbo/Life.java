// SPDX-License-Identifier: MIT
package demo.dubbo;

import demo.Probe;
import demo.Settings;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.dubbo.config.ReferenceConfig;

/**
 * A stock consumer over time. Settings: those of Consumer (url may be several with `;`), heartbeat (ms), quiet (a URL:
 * a connection of its own that is used only when told). Obeys the lines of its input: `call TEXT`,
 * `slow MILLIS`, `quiet` (one call each: `answered TEXT` or `threw WHY`), `load THREADS`, `unload`, `report`
 * (`from COUNT NAME` by the first word of the answers, `failed COUNT WHY`), `reset`.
 */
public final class Life {
  private final Probe probe;
  private final Probe quiet;
  private final Map<String, AtomicLong> seen = Collections.synchronizedMap(new TreeMap<>());
  private volatile boolean loading;

  private Life(Settings settings) {
    ReferenceConfig<Probe> reference = Consumer.refer(settings, Probe.class);
    Map<String, String> parameters = new HashMap<>();
    parameters.put("heartbeat", settings.get("heartbeat", "60000"));
    // 3.2 looks once a minute else.
    parameters.put("dubbo.application.least-reconnect-duration", "1000");
    reference.setParameters(parameters);
    // Else 2.7 takes several URLs for registries.
    reference.setCluster("failover");
    probe = reference.get();
    quiet = settings.values.containsKey("quiet") ? quiet(settings) : null;
  }

  private static Probe quiet(Settings settings) {
    ReferenceConfig<Probe> reference = Consumer.refer(settings, Probe.class);
    reference.setUrl(settings.get("quiet", ""));
    reference.setConnections(1);
    return reference.get();
  }

  public static void main(String[] args) throws Exception {
    Life life = new Life(new Settings(args));
    System.out.println("ready");
    BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
    String line;
    while ((line = input.readLine()) != null) {
      String[] words = line.split(" ", 2);
      life.obey(words[0], words.length > 1 ? words[1] : "");
      System.out.println("done " + words[0]);
      System.out.flush();
    }
    System.exit(0);
  }

  private void obey(String what, String argument) {
    switch (what) {
      case "call":
        tell(() -> probe.sayHello(argument));
        break;
      case "slow":
        tell(() -> probe.slow(Integer.parseInt(argument)));
        break;
      case "quiet":
        tell(() -> quiet.sayHello("quiet"));
        break;
      case "load":
        loading = true;
        for (int i = 0; i < Integer.parseInt(argument); i++) {
          new Thread(this::load).start();
        }
        break;
      case "unload":
        loading = false;
        break;
      case "reset":
        seen.clear();
        break;
      case "report":
        synchronized (seen) {
          seen.forEach((key, count) -> System.out.println(key.replaceFirst(" ", " " + count + " ")));
        }
        break;
      default:
        System.out.println("unknown");
    }
  }

  private void tell(Callable<String> call) {
    try {
      System.out.println("answered " + call.call());
    } catch (Throwable e) {
      System.out.println("threw " + why(e));
    }
  }

  private void load() {
    while (loading) {
      try {
        count("from " + probe.sayHello("load").split(" ")[0]);
        Thread.sleep(2);
      } catch (Throwable e) {
        count("failed " + why(e));
      }
    }
  }

  private void count(String key) {
    seen.computeIfAbsent(key, k -> new AtomicLong()).incrementAndGet();
  }

  private static String why(Throwable e) {
    String text = e.getClass().getSimpleName() + ": " + e.getMessage();
    text = text.replaceAll("\\d{3,}", "N").replaceAll("\\s+", " ");
    return text.length() > 2000 ? text.substring(0, 2000) : text;
  }
}
