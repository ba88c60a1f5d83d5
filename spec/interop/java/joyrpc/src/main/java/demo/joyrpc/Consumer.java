// SPDX-License-Identifier: MIT
package demo.joyrpc;

import demo.Absent;
import demo.Address;
import demo.Cases;
import demo.Probe;
import demo.Settings;
import demo.Told;
import io.joyrpc.Callback;
import io.joyrpc.GenericService;
import io.joyrpc.config.ConsumerConfig;
import io.joyrpc.context.RequestContext;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Date;
import java.util.HashMap;
import java.util.Hashtable;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.LinkedList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.Vector;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
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
    ConsumerConfig<Probe> config = refer(settings, Probe.class);
    config.setParameter(".hidden", "secret");
    Probe probe = config.refer().get(20, TimeUnit.SECONDS);
    Cases cases = Cases.of(probe, settings);
    cases.add("attachment", () -> {
      RequestContext.getContext().setAttachment("color", "blue");
      return Cases.same("blue", probe.attachment("color"));
    });
    cases.add("hidden attachment", () -> Cases.same("secret", probe.attachment(".hidden")));
    cases.add("session attachment", () -> {
      RequestContext.getContext().setSession("color", "red");
      try {
        String wrong = Cases.same("red", probe.attachment("color"));
        return wrong != null ? wrong : Cases.same("red", probe.attachment("color"));
      } finally {
        RequestContext.getContext().clearSession();
      }
    });
    cases.add("timeout", () -> {
      RequestContext.getContext().setAttachment("timeout", 300); // of this call
      return Cases.timeout(probe, 300);
    });
    cases.add("trace", () -> {
      RequestContext.getContext().setTrace("traceId", "4bf92f3577b34da6a3ce929d0e0e4736");
      try {
        return Cases.same("4bf92f3577b34da6a3ce929d0e0e4736", probe.attachment("trace:traceId"));
      } finally {
        RequestContext.getContext().clearTrace();
      }
    });
    if (!settings.get("serialization", "hessian").equals("json")) { // which names no class
      cases.add("class of what is any object", () -> classes(probe));
      cases.add("wrapped collections", () -> wrapped(probe));
    }
    cases.add("generic", () -> generic(settings, false));
    cases.add("generic async", () -> generic(settings, true));
    cases.add("no such service", () -> {
      Absent absent = refer(settings, Absent.class).refer().get(20, TimeUnit.SECONDS);
      return Cases.refused("Absent", absent::absent);
    });
    cases.add("callback", () -> callback(settings));
    cases.run(settings.rest, prefix);
  }

  /** Maps, collections and arrays where Object is declared come back as what they were. */
  private static String classes(Probe probe) {
    Map<String, Object> entries = Collections.singletonMap("k", 7);
    List<String> items = Arrays.asList("a", "b");
    Object[] all = {
      new HashMap<>(entries), new TreeMap<>(entries), new LinkedHashMap<>(entries), new ConcurrentHashMap<>(entries),
      new Hashtable<>(entries), new ArrayList<>(items), new LinkedList<>(items), new Vector<>(items),
      new CopyOnWriteArrayList<>(items), new TreeSet<>(items), new LinkedHashSet<>(items), new Object[] {"a", 1},
      new int[][] {{1}, {}, {2, 3}}, new String[][] {{"a", null}}, new Integer[] {1, null}, new Object[][] {{1}},
      new Date[] {new Date(5)}, new BigDecimal[] {BigDecimal.TEN}, new Address[][] {{new Address("x", 1)}},
      new byte[][] {{1}, {2}},
    };
    for (Object one : all) {
      Object back = probe.echoObject(one);
      String wrong = Cases.same(one.getClass(), back == null ? null : back.getClass());
      wrong = wrong != null || Objects.deepEquals(one, back) ? wrong : "another " + one.getClass();
      wrong = wrong != null ? wrong : Cases.same(Told.of(one), probe.told());
      if (wrong != null) {
        return wrong;
      }
    }
    return null;
  }

  /** What java.util.Collections makes comes back with the same elements. */
  private static String wrapped(Probe probe) {
    List<List<String>> lists = new ArrayList<>();
    lists.add(Collections.emptyList());
    lists.add(Collections.singletonList("a"));
    lists.add(Collections.unmodifiableList(new ArrayList<>(Arrays.asList("a", "b"))));
    lists.add(Collections.synchronizedList(new LinkedList<>(Arrays.asList("a", "b"))));
    for (List<String> list : lists) {
      String wrong = Cases.same(list, probe.echoList(list));
      if (wrong != null) {
        return wrong;
      }
    }
    Map<String, Object> map = Collections.unmodifiableMap(new HashMap<>(Collections.singletonMap("k", 7)));
    String wrong = Cases.same(map, probe.echoMap(map));
    wrong = wrong != null ? wrong : Cases.same(Collections.singletonMap("k", 7), probe.echoMap(Collections.singletonMap("k", 7)));
    return wrong != null ? wrong : Cases.same(Collections.emptySet(), probe.echoSet(Collections.emptySet()));
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
