// SPDX-License-Identifier: MIT
package demo.dubbo;

import demo.Settings;
import java.util.Collections;
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

  static String group(Settings settings) {
    return settings.get("alias", "prod");
  }
}
