// SPDX-License-Identifier: MIT
package demo;

import io.joyrpc.config.ProviderConfig;
import io.joyrpc.config.RegistryConfig;
import io.joyrpc.config.ServerConfig;
import java.math.BigDecimal;
import java.net.InetAddress;
import java.net.ServerSocket;

/** A stock JoyRPC provider. Says its port when it is open and ends when its input does. */
public final class Provider implements Booking {
  private int free = 1;

  @Override
  public synchronized int seats(long train) {
    return free;
  }

  @Override
  public synchronized Ticket book(Passenger who, long train) throws SoldOut {
    if (free == 0) {
      throw new SoldOut("train " + train + " is full", train);
    }
    free--;
    return new Ticket(who, train, new BigDecimal(who.age < 16 ? "6.25" : "12.50"));
  }

  public static void main(String[] args) throws Exception {
    ServerConfig server = new ServerConfig();
    server.setHost("127.0.0.1");
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"))) {
      server.setPort(socket.getLocalPort());
    }
    ProviderConfig<Booking> config = new ProviderConfig<>();
    config.setInterfaceClazz(Booking.class.getName());
    config.setRef(new Provider());
    config.setAlias("java");
    config.setServerConfig(server);
    config.setRegistry(new RegistryConfig("memory"));
    config.setRegister(false);
    config.setSubscribe(false);
    config.exportAndOpen().get();
    System.out.println("serving on " + server.getPort());
    while (System.in.read() >= 0) {}
    System.exit(0);
  }
}
