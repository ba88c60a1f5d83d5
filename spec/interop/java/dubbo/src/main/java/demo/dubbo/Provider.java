// SPDX-License-Identifier: MIT
package demo.dubbo;

import demo.Probe;
import demo.ProbeImpl;
import demo.Settings;
import java.util.Collections;
import org.apache.dubbo.config.ProtocolConfig;
import org.apache.dubbo.config.ServiceConfig;
import org.apache.dubbo.rpc.RpcContext;

/**
 * A stock Dubbo provider. Settings: port, alias (its group), serialization, threads and queue (of
 * the business pool). Prints `ready` when it is open; ends when its standard input does.
 */
public final class Provider {
  public static void main(String[] args) throws Exception {
    Settings settings = new Settings(args);
    ProtocolConfig protocol = new ProtocolConfig("dubbo", settings.number("port", 20880));
    protocol.setHost("127.0.0.1");
    if (settings.values.containsKey("serialization")) {
      protocol.setSerialization(settings.get("serialization", null));
      System.setProperty("serialization.security.check", "true"); // and nothing else is read
    }
    if (settings.values.containsKey("threads")) {
      protocol.setThreads(settings.number("threads", 0));
      protocol.setQueues(settings.number("queue", 0));
    }
    ServiceConfig<Probe> probe =
        service(settings, protocol, Probe.class, new ProbeImpl(name -> RpcContext.getContext().getAttachment(name)));
    probe.export();
    ServiceConfig<Watch> watch = service(settings, protocol, Watch.class, Provider::watch);
    watch.setMethods(Collections.singletonList(Setup.watchMethod()));
    watch.export();
    System.out.println("ready");
    System.out.flush();
    while (System.in.read() >= 0) {}
    System.exit(0);
  }

  private static <T> ServiceConfig<T> service(Settings settings, ProtocolConfig protocol, Class<T> type, T ref) {
    ServiceConfig<T> service = new ServiceConfig<>();
    service.setApplication(Setup.application("provider"));
    service.setRegistry(Setup.noRegistry());
    service.setProtocol(protocol);
    service.setInterface(type);
    service.setRef(ref);
    service.setGroup(Setup.group(settings));
    return service;
  }

  private static String watch(String text, int count, Watch.Listener listener) {
    StringBuilder answers = new StringBuilder();
    for (int i = 1; i <= count; i++) {
      answers.append(i > 1 ? "," : "").append(listener.heard(text + " " + i));
    }
    return answers.toString();
  }
}
