// SPDX-License-Identifier: MIT
package demo;

import io.joyrpc.config.ConsumerConfig;
import java.util.concurrent.TimeUnit;

/** A stock JoyRPC consumer of the service at the port it is given. */
public final class Consumer {
  public static void main(String[] args) throws Exception {
    ConsumerConfig<Booking> config = new ConsumerConfig<>();
    config.setInterfaceClazz(Booking.class.getName());
    config.setAlias("lua");
    config.setUrl("joy://127.0.0.1:" + args[0]);
    config.setInitSize(1);
    config.setTimeout(5000);
    config.setProxy("jdk");
    Booking booking = config.refer().get(20, TimeUnit.SECONDS);

    System.out.println("Java to Lua: " + booking.seats(7) + " seat");
    Ticket ticket = booking.book(new Passenger("Ada", 36), 7);
    System.out.println("Java to Lua: " + ticket.who.name + " pays " + ticket.price + " for train " + ticket.train);
    try {
      booking.book(new Passenger("Bob", 12), 7);
    } catch (SoldOut e) {
      System.out.println("Java to Lua: SoldOut, " + e.getMessage() + " (" + e.train + ")");
    }
    System.exit(0);
  }
}
