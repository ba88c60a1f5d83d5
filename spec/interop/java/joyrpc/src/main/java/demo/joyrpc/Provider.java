// SPDX-License-Identifier: MIT
package demo.joyrpc;

import demo.Probe;
import demo.ProbeImpl;
import demo.Settings;
import io.joyrpc.config.ProviderConfig;
import io.joyrpc.config.RegistryConfig;
import io.joyrpc.config.ServerConfig;
import io.joyrpc.context.RequestContext;

/**
 * A stock JoyRPC provider. Settings: port, alias, token, threads and queue (of the business pool). Prints `ready` when it is open; ends when
 * its standard input does, as a provider does that is asked to stop.
 */
public final class Provider {
  public static void main(String[] args) throws Exception {
    Settings settings = new Settings(args);
    ServerConfig server = new ServerConfig();
    server.setHost("127.0.0.1");
    server.setPort(settings.number("port", 22000));
    if (settings.values.containsKey("threads")) {
      server.setCoreThreads(settings.number("threads", 0));
      server.setMaxThreads(settings.number("threads", 0));
      server.setQueues(settings.number("queue", 0));
    }
    RegistryConfig registry = new RegistryConfig("memory");
    export(settings, server, registry, Probe.class, new ProbeImpl(Provider::attachment));
    export(settings, server, registry, Watch.class, (Watch) Provider::watch);
    System.out.println("ready");
    System.out.flush();
    while (System.in.read() >= 0) {}
    System.exit(0);
  }

  private static <T> void export(Settings settings, ServerConfig server, RegistryConfig registry, Class<T> type, T ref)
      throws Exception {
    ProviderConfig<T> config = new ProviderConfig<>();
    config.setInterfaceClazz(type.getName());
    config.setRef(ref);
    config.setAlias(settings.get("alias", "prod"));
    config.setServerConfig(server);
    config.setRegistry(registry);
    config.setRegister(false);
    config.setSubscribe(false);
    if (settings.values.containsKey("token")) {
      config.setParameter(".token", settings.get("token", ""));
      config.setParameter("authentication", "token");
      config.setParameter("identification", "token"); // else it takes any
    }
    config.exportAndOpen().get();
  }

  /** An implicit parameter; behind `trace:` an entry of the trace map. */
  private static Object attachment(String name) {
    RequestContext context = RequestContext.getContext();
    if (!name.startsWith("trace:")) {
      return context.getAttachment(name);
    }
    return context.getTraces() == null ? null : context.getTraces().get(name.substring(6));
  }

  private static String watch(String text, int count, io.joyrpc.Callback<String, String> callback) {
    StringBuilder answers = new StringBuilder();
    for (int i = 1; i <= count; i++) {
      answers.append(i > 1 ? "," : "").append(callback.notify(text + " " + i));
    }
    return answers.toString();
  }
}
