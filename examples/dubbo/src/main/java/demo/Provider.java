// SPDX-License-Identifier: MIT
package demo;

import java.net.InetAddress;
import java.net.ServerSocket;
import java.util.Collections;
import org.apache.dubbo.config.ApplicationConfig;
import org.apache.dubbo.config.ArgumentConfig;
import org.apache.dubbo.config.MethodConfig;
import org.apache.dubbo.config.ProtocolConfig;
import org.apache.dubbo.config.RegistryConfig;
import org.apache.dubbo.config.ServiceConfig;

/** A stock Dubbo provider. Says its port when it is open and ends when its input does. */
public final class Provider implements Prices {
  @Override
  public Quote price(String symbol) throws UnknownSymbol {
    if (!symbol.equals("MOON")) {
      throw new UnknownSymbol("nobody sells " + symbol, symbol);
    }
    return new Quote(symbol, 1.5, 1L << 40);
  }

  @Override
  public int watch(String symbol, int count, Listener listener) {
    int wanted = 0;
    for (int i = 1; i <= count; i++) {
      wanted += listener.changed(symbol, i + 0.25) ? 1 : 0;
    }
    return wanted;
  }

  static void quiet() {
    System.setProperty("dubbo.application.logger", "slf4j");
  }

  private static MethodConfig watchMethod() {
    ArgumentConfig listener = new ArgumentConfig();
    listener.setIndex(2);
    listener.setCallback(true);
    MethodConfig method = new MethodConfig();
    method.setName("watch");
    method.setArguments(Collections.singletonList(listener));
    return method;
  }

  public static void main(String[] args) throws Exception {
    quiet();
    ProtocolConfig protocol = new ProtocolConfig("dubbo");
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"))) {
      protocol.setPort(socket.getLocalPort());
    }
    ApplicationConfig application = new ApplicationConfig("provider");
    application.setQosEnable(false);
    ServiceConfig<Prices> config = new ServiceConfig<>();
    config.setApplication(application);
    config.setRegistry(new RegistryConfig("N/A"));
    config.setProtocol(protocol);
    config.setInterface(Prices.class);
    config.setRef(new Provider());
    config.setGroup("java");
    config.setMethods(Collections.singletonList(watchMethod()));
    config.export();
    System.out.println("serving on " + protocol.getPort());
    while (System.in.read() >= 0) {}
    System.exit(0);
  }
}
