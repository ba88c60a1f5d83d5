// SPDX-License-Identifier: MIT
package demo.dubbo;

import demo.Absent;
import demo.Cases;
import demo.Probe;
import demo.Settings;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.TimeUnit;
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
