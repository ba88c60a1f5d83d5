// SPDX-License-Identifier: MIT
package demo.dubbo;

import demo.Absent;
import demo.Cases;
import demo.Color;
import demo.Nest;
import demo.Person;
import demo.Probe;
import demo.Settings;
import demo.Told;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.MonthDay;
import java.time.OffsetDateTime;
import java.time.OffsetTime;
import java.time.Period;
import java.time.Year;
import java.time.YearMonth;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.apache.dubbo.common.utils.PojoUtils;
import org.apache.dubbo.config.ReferenceConfig;
import org.apache.dubbo.rpc.RpcContext;
import org.apache.dubbo.rpc.service.EchoService;
import org.apache.dubbo.rpc.service.GenericService;

/**
 * A stock Dubbo consumer. Settings: port, alias (the group), url, timeout, retries, serialization.
 * Runs the cases named on the command line, or all of them.
 */
public final class Consumer {
  public static void main(String[] args) throws Exception {
    Settings settings = new Settings(args);
    Probe probe = refer(settings, Probe.class).get();
    Cases cases = Cases.of(probe, settings);
    cases.add("attachment", () -> {
      RpcContext.getContext().setAttachment("color", "blue");
      return Cases.same("blue", probe.attachment("color"));
    });
    cases.add("generic", () -> generic(settings));
    cases.add("generic async", () -> genericAsync(settings));
    generic(settings, cases);
    cases.add("$echo", () -> Cases.same("are you there", ((EchoService) probe).$echo("are you there")));
    cases.add("no such service", () -> {
      Absent absent = refer(settings, Absent.class).get();
      return Cases.refused("Absent", absent::absent);
    });
    cases.add("callback", () -> callback(settings));
    cases.run(settings.rest);
    System.exit(0);
  }

  static <T> ReferenceConfig<T> refer(Settings settings, Class<T> type) {
    ReferenceConfig<T> reference = new ReferenceConfig<>();
    reference.setApplication(Setup.application("consumer"));
    reference.setRegistry(Setup.noRegistry());
    reference.setInterface(type);
    reference.setGroup(Setup.group(settings));
    String query = settings.values.containsKey("serialization") ? "?serialization=" + settings.get("serialization", "") : "";
    reference.setUrl(settings.get("url", "dubbo://127.0.0.1:" + settings.number("port", 20880)) + query);
    reference.setTimeout(settings.number("timeout", 5000));
    reference.setRetries(settings.number("retries", 0));
    reference.setCheck(false);
    return reference;
  }

  private static ReferenceConfig<GenericService> referGeneric(Settings settings) {
    ReferenceConfig<GenericService> reference = refer(settings, GenericService.class);
    reference.setInterface(Probe.class.getName());
    reference.setGeneric("true");
    return reference;
  }

  private static String generic(Settings settings) {
    GenericService service = referGeneric(settings).get();
    Object answer = service.$invoke("sayHello", new String[] {"java.lang.String"}, new Object[] {"moon"});
    return Cases.same("Hi moon", answer);
  }

  private static String genericAsync(Settings settings) throws Exception {
    GenericService service = referGeneric(settings).get();
    Object answer =
        service
            .$invokeAsync("sayHello", new String[] {"java.lang.String"}, new Object[] {"moon"})
            .get(5, TimeUnit.SECONDS);
    return Cases.same("Hi moon", answer);
  }

  /** Values of classes, seen by who has none: what came must be what Dubbo itself makes of the value. */
  private static void generic(Settings settings, Cases cases) {
    Person person = Person.sample();
    person.setFriend(Person.sample());
    cases.add("generic object", () -> generic(settings, "echoPerson", Person.class, person));
    cases.add("generic enum", () -> generic(settings, "echoColor", Color.class, Color.BLUE));
    cases.add("generic List of objects", () -> {
      List<Person> people = new ArrayList<>(Arrays.asList(person, Person.sample()));
      return generic(settings, "echoPeople", List.class, people);
    });
    cases.add("generic object of collections", () -> generic(settings, "echoNest", Nest.class, Nest.sample()));
    cases.add("generic exception", () -> {
      String wrong = thrown(settings, "failDeclared", "demo.DeclaredException");
      // Whatever Perilune fails with is Dubbo's own exception, and Java's provider throws another one.
      return wrong != null ? wrong : thrown(settings, "failUnchecked", ".*Exception");
    });
    cases.add("generic moment", () -> {
      String wrong = null;
      for (int[] at : new int[][] {{0, 0}, {3, 0}, {0, 4}, {3, 50000000}, {59, 1000}}) {
        LocalDateTime moment = LocalDateTime.of(2024, 2, 29, 1, 2, at[0], at[1]);
        wrong = wrong != null ? wrong : generic(settings, "echoLocalDateTime", LocalDateTime.class, moment);
      }
      return wrong;
    });
    ZoneOffset offset = ZoneOffset.ofTotalSeconds(-5405);
    LocalDateTime moment = LocalDateTime.of(2024, 12, 31, 1, 2, 3, 4);
    Object[] parts = {
      Instant.ofEpochSecond(1600000000L, 5), Instant.ofEpochSecond(-1), Duration.ofSeconds(90, 7), Duration.ofMillis(-1500), Duration.ZERO,
      Period.of(1, -2, 3), Period.ZERO, Year.of(1900), YearMonth.of(2000, 2), MonthDay.of(2, 29), offset, ZoneOffset.UTC,
      OffsetTime.of(1, 2, 3, 4, offset), OffsetDateTime.of(moment, offset), OffsetDateTime.of(moment.withYear(-44), ZoneOffset.ofHours(2)),
      OffsetDateTime.of(moment.withYear(2023), ZoneOffset.UTC), ZonedDateTime.of(moment.withMonth(1), offset)
    };
    cases.add("generic parts of moments", () -> {
      GenericService service = referGeneric(settings).get();
      for (Object part : parts) {
        Object answer = service.$invoke("echoObject", new String[] {"java.lang.Object"}, new Object[] {part});
        String wrong = Cases.same(shown(carried(settings, PojoUtils.generalize(part))), shown(answer));
        if (wrong != null) {
          return wrong;
        }
      }
      return null;
    });
  }

  /** By methods that both classes of this name have. */
  private static String thrown(Settings settings, String method, String pattern) throws Exception {
    try {
      return "answered " + referGeneric(settings).get().$invoke(method, new String[] {"java.lang.String"}, new Object[] {"no luck"});
    } catch (RuntimeException e) {
      String wrong = Cases.same("com.alibaba.dubbo.rpc.service.GenericException", e.getClass().getName());
      if (wrong != null) {
        return wrong;
      }
      String seen = String.valueOf(e.getClass().getMethod("getExceptionClass").invoke(e));
      wrong = seen.matches(pattern) ? null : Cases.same(pattern, seen);
      wrong = wrong != null ? wrong : Cases.same("no luck", e.getClass().getMethod("getExceptionMessage").invoke(e));
      return wrong != null ? wrong : Cases.same(seen + ": no luck", e.getMessage().split("\n")[0]);
    }
  }

  private static String generic(Settings settings, String method, Class<?> type, Object value) throws Exception {
    Object plain = PojoUtils.generalize(value);
    GenericService service = referGeneric(settings).get();
    Object answer = service.$invoke(method, new String[] {type.getName()}, new Object[] {plain});
    String wrong = Cases.same(shown(carried(settings, plain)), shown(answer));
    if (wrong != null || settings.get("tells", "yes").equals("no")) {
      return wrong;
    }
    return Cases.same(Told.of(value), service.$invoke("told", new String[0], new Object[0]));
  }

  /** What comes of a value on its way: fastjson, which 3.2 does not have, knows fewer types. */
  private static Object carried(Settings settings, Object value) throws Exception {
    if (!settings.get("serialization", "").equals("fastjson")) {
      return value;
    }
    Class<?> json = Class.forName("com.alibaba.fastjson.JSON");
    Object text = json.getMethod("toJSONString", Object.class).invoke(null, value);
    return json.getMethod("parse", String.class).invoke(null, text);
  }

  /** With the Java type of everything, as far as its owner can tell. */
  private static String shown(Object value) {
    if (value instanceof Map) {
      TreeMap<String, String> entries = new TreeMap<>();
      ((Map<?, ?>) value).forEach((key, content) -> entries.put(shown(key), shown(content)));
      return "map" + entries;
    }
    if (value instanceof List) {
      return "list" + ((List<?>) value).stream().map(Consumer::shown).collect(Collectors.toList());
    }
    if (value instanceof Object[]) {
      return value.getClass().getSimpleName() + shown(Arrays.asList((Object[]) value));
    }
    return value == null ? "null" : value.getClass().getSimpleName() + " " + value;
  }

  private static String callback(Settings settings) {
    ReferenceConfig<Watch> reference = refer(settings, Watch.class);
    reference.setParameters(Setup.watchParameters());
    Watch watch = reference.get();
    List<String> seen = Collections.synchronizedList(new ArrayList<>());
    String answers = watch.watch("tick", 3, text -> {
      seen.add(text);
      return "saw " + text;
    });
    String wrong = Cases.same("[tick 1, tick 2, tick 3]", seen.toString());
    return wrong != null ? wrong : Cases.same("saw tick 1,saw tick 2,saw tick 3", answers);
  }
}
