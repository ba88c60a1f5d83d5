// SPDX-License-Identifier: MIT
package demo.dubbo;

import demo.Settings;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;
import org.apache.dubbo.config.ApplicationConfig;
import org.apache.dubbo.config.ArgumentConfig;
import org.apache.dubbo.config.MethodConfig;
import org.apache.dubbo.config.RegistryConfig;

/** What providers and consumers share. */
final class Setup {
  private Setup() {}

  static ApplicationConfig application(String name) {
    ApplicationConfig application = new ApplicationConfig(name);
    application.setQosEnable(false);
    return application;
  }

  static RegistryConfig noRegistry() {
    return new RegistryConfig("N/A");
  }

  /** The third argument of `watch` is a callback. */
  static MethodConfig watchMethod() {
    ArgumentConfig argument = new ArgumentConfig();
    argument.setIndex(2);
    argument.setCallback(true);
    MethodConfig method = new MethodConfig();
    method.setName("watch");
    method.setArguments(Collections.singletonList(argument));
    return method;
  }

  /**
   * What a registry would tell a consumer of `watch`. 3.2 finds the callback only if the method has
   * another parameter, too.
   */
  static Map<String, String> watchParameters() {
    Map<String, String> parameters = new HashMap<>();
    parameters.put("watch.2.callback", "true");
    parameters.put("watch.sent", "true");
    return parameters;
  }

  static String group(Settings settings) {
    return settings.get("alias", "prod");
  }
}
