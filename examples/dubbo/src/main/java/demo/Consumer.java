// SPDX-License-Identifier: MIT
package demo;

import java.util.HashMap;
import java.util.Map;
import org.apache.dubbo.config.ApplicationConfig;
import org.apache.dubbo.config.ReferenceConfig;
import org.apache.dubbo.config.RegistryConfig;

/** A stock Dubbo consumer of the service at the port it is given. */
public final class Consumer {
  public static void main(String[] args) throws Exception {
    Provider.quiet();
    ApplicationConfig application = new ApplicationConfig("consumer");
    application.setQosEnable(false);
    ReferenceConfig<Prices> config = new ReferenceConfig<>();
    config.setApplication(application);
    config.setRegistry(new RegistryConfig("N/A"));
    config.setInterface(Prices.class);
    config.setGroup("lua");
    config.setUrl("dubbo://[::1]:" + args[0] + "?serialization=hessian2");
    config.setTimeout(5000);
    // What a registry would tell of the provider: the third argument of `watch` is a callback.
    Map<String, String> parameters = new HashMap<>();
    parameters.put("watch.2.callback", "true");
    parameters.put("watch.sent", "true");
    config.setParameters(parameters);
    Prices prices = config.get();

    Quote quote = prices.price("MOON");
    System.out.println("Java to Lua: " + quote.symbol + " costs " + quote.price + ", " + quote.volume + " sold");
    try {
      prices.price("MARS");
    } catch (UnknownSymbol e) {
      System.out.println("Java to Lua: UnknownSymbol, " + e.getMessage() + " (" + e.symbol + ")");
    }
    int wanted = prices.watch("MOON", 3, (symbol, price) -> {
      System.out.println("Lua calls back: " + symbol + " costs " + price);
      return price > 2;
    });
    System.out.println("Java to Lua: " + wanted + " of 3 were wanted");
    System.exit(0);
  }
}
