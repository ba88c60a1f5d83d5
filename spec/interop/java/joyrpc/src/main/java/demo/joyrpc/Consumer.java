// SPDX-License-Identifier: MIT
package demo.joyrpc;

import demo.Absent;
import demo.Cases;
import demo.Probe;
import demo.Settings;
import io.joyrpc.Callback;
import io.joyrpc.GenericService;
import io.joyrpc.config.ConsumerConfig;
import io.joyrpc.context.RequestContext;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * A stock JoyRPC consumer. Settings: port, alias, serialization, compress, timeout, retries, token.
 * Runs the cases named on the command line, or all of them; with several values of `compress`, parted
 * by commas, once with each, whose name and a slash then stand before the names of the cases.
 */
public final class Consumer {
  public static void main(String[] args) throws Exception {
    Settings settings = new Settings(args);
    String[] compressions = settings.get("compress", "").split(",");
    for (String compression : compressions) {
      if (!compression.isEmpty()) {
        settings.values.put("compress", compression);
      }
      run(settings, compressions.length > 1 ? compression + "/" : "");
    }
    System.out.println("done");
    System.out.flush();
    System.exit(0);
  }

  private static void run(Settings settings, String prefix) throws Exception {
    Probe probe = refer(settings, Probe.class).refer().get(20, TimeUnit.SECONDS);
    Cases cases = Cases.of(probe, settings);
    cases.add("attachment", () -> {
      RequestContext.getContext().setAttachment("color", "blue");
      return Cases.same("blue", probe.attachment("color"));
    });
    cases.add("trace", () -> {
      RequestContext.getContext().setTrace("traceId", "4bf92f3577b34da6a3ce929d0e0e4736");
      try {
        return Cases.same("4bf92f3577b34da6a3ce929d0e0e4736", probe.attachment("trace:traceId"));
      } finally {
        RequestContext.getContext().clearTrace();
      }
    });
    cases.add("generic", () -> generic(settings, false));
    cases.add("generic async", () -> generic(settings, true));
    cases.add("no such service", () -> {
      Absent absent = refer(settings, Absent.class).refer().get(20, TimeUnit.SECONDS);
      return Cases.refused("Absent", absent::absent);
    });
    cases.add("callback", () -> callback(settings));
    cases.run(settings.rest, prefix);
  }

  static <T> ConsumerConfig<T> refer(Settings settings, Class<T> type) {
    ConsumerConfig<T> config = new ConsumerConfig<>();
    config.setInterfaceClazz(type.getName());
    config.setAlias(settings.get("alias", "prod"));
    config.setUrl(settings.get("url", "joy://127.0.0.1:" + settings.number("port", 22000)));
    config.setInitSize(1);
    config.setTimeout(settings.number("timeout", 5000));
    config.setRetries(settings.number("retries", 0));
    config.setProxy("jdk");
    if (settings.values.containsKey("serialization")) {
      config.setSerialization(settings.get("serialization", null));
    }
    if (settings.values.containsKey("compress")) {
      config.setCompress(settings.get("compress", null));
    }
    if (settings.values.containsKey("token")) {
      config.setParameter(".token", settings.get("token", ""));
      config.setParameter("identification", "token");
    }
    return config;
  }

  private static GenericService generic; // a second one of the same service is refused

  private static String generic(Settings settings, boolean async) throws Exception {
    if (generic == null) {
      ConsumerConfig<GenericService> config = refer(settings, GenericService.class);
      config.setInterfaceClazz(Probe.class.getName());
      config.setGeneric(true);
      generic = config.refer().get(20, TimeUnit.SECONDS);
    }
    String[] types = {"java.lang.String"};
    Object[] arguments = {"moon"};
    Object answer =
        async
            ? generic.$async("sayHello", types, arguments).get(5, TimeUnit.SECONDS)
            : generic.$invoke("sayHello", types, arguments);
    return Cases.same("Hi moon", answer);
  }

  private static String callback(Settings settings) throws Exception {
    Watch watch = refer(settings, Watch.class).refer().get(20, TimeUnit.SECONDS);
    List<String> seen = Collections.synchronizedList(new ArrayList<>());
    String answers = watch.watch("tick", 3, new Callback<String, String>() {
      @Override
      public String notify(String text) {
        seen.add(text);
        return "saw " + text;
      }
    });
    String wrong = Cases.same("[tick 1, tick 2, tick 3]", seen.toString());
    return wrong != null ? wrong : Cases.same("saw tick 1,saw tick 2,saw tick 3", answers);
  }
}
