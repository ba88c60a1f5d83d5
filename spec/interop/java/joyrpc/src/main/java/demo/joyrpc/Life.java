// SPDX-License-Identifier: MIT
package demo.joyrpc;

import demo.Settings;
import io.joyrpc.config.ConsumerConfig;
import io.joyrpc.config.ProviderConfig;
import io.joyrpc.config.RegistryConfig;
import io.joyrpc.config.ServerConfig;
import java.util.concurrent.TimeUnit;

/**
 * A stock provider of Place. Settings: port, alias, name, token; `via` is the URL of providers that
 * it calls on to. Prints `ready`; ends like any JVM: SIGTERM or the end of its input take it offline
 * first.
 */
public final class Life {
  public static void main(String[] args) throws Exception {
    Settings settings = new Settings(args);
    quiet();
    ProviderConfig<Place> config = new ProviderConfig<>();
    config.setInterfaceClazz(Place.class.getName());
    config.setRef(settings.values.containsKey("via") ? relay(settings) : leaf(settings));
    config.setAlias(settings.get("alias", "prod"));
    ServerConfig server = new ServerConfig();
    server.setHost("127.0.0.1");
    server.setPort(settings.number("port", 22000));
    config.setServerConfig(server);
    config.setRegistry(new RegistryConfig("memory"));
    config.setParameter("precompilation", "false");
    config.setRegister(false);
    config.setSubscribe(false);
    config.setConcurrency(settings.number("concurrency", -1));
    if (settings.values.containsKey("token")) {
      // Both: without an identification JoyRPC takes every token.
      config.setParameter(".token", settings.get("token", ""));
      config.setParameter("identification", "token");
      config.setParameter("authentication", "token");
    }
    config.exportAndOpen().get();
    System.out.println("ready");
    System.out.flush();
    while (System.in.read() >= 0) {}
    System.exit(0);
  }

  /** The pipe that these processes write to is not read all the time. */
  static void quiet() {
    System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", "off");
    java.util.logging.LogManager.getLogManager().reset();
  }

  private static Place leaf(Settings settings) {
    String name = settings.get("name", "java");
    return new Place() {
      @Override
      public String where(String text) {
        return name + ":" + text;
      }

      @Override
      public String slow(String text, int millis) {
        try {
          Thread.sleep(millis);
        } catch (InterruptedException e) {
          Thread.currentThread().interrupt();
        }
        return name + ":" + text;
      }
    };
  }

  private static Place relay(Settings settings) throws Exception {
    String name = settings.get("name", "java");
    ConsumerConfig<Place> config = Consumer.refer(settings, Place.class);
    config.setUrl(settings.get("via", ""));
    config.setParameter("warmupDuration", "0");
    config.setInjvm(false);
    Place next = config.refer().get(20, TimeUnit.SECONDS);
    return new Place() {
      @Override
      public String where(String text) {
        return name + ">" + next.where(text);
      }

      @Override
      public String slow(String text, int millis) {
        return name + ">" + next.slow(text, millis);
      }
    };
  }
}
