// SPDX-License-Identifier: MIT
// The Java side of the hessian cases: Caucho's implementation, warm. Run as a source file:
//
//   java -cp hessian-4.0.66.jar HessianBench.java SECONDS        prints decode_us and encode_us (CPU)
//   java -cp hessian-4.0.66.jar HessianBench.java bytes          prints the bytes, for order.hex
import com.caucho.hessian.io.Hessian2Input;
import com.caucho.hessian.io.Hessian2Output;
import com.caucho.hessian.io.SerializerFactory;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.Serializable;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Date;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

public class HessianBench {
  public static class Customer implements Serializable {
    public long id = 123456789L;
    public String name = "Ada Lovelace";
    public String mail = "ada@example.org";
    public boolean active = true;
  }

  public static class Item implements Serializable {
    public String article;
    public int count;
    public double price;

    public Item() {}

    public Item(String article, int count, double price) {
      this.article = article;
      this.count = count;
      this.price = price;
    }
  }

  public static class Order implements Serializable {
    public long id = 987654321012L;
    public String number = "ORD-2024-000123";
    public int version = 3;
    public boolean paid = true;
    public boolean shipped;
    public double total = 199.95;
    public double tax = 31.92;
    public String currency = "EUR";
    public Date created = new Date(1700000000123L);
    public Date changed = new Date(1700000360000L);
    public Customer customer = new Customer();
    public List<Item> items = new ArrayList<>(Arrays.asList(new Item("moon lamp", 2, 49.99),
        new Item("star chart", 1, 19.5), new Item("telescope", 1, 80.47)));
    public Map<String, String> labels = new HashMap<>(Map.of("channel", "web", "campaign", "night"));
    public String street = "12 St James's Square";
    public String city = "London";
    public String zip = "SW1Y 4JH";
    public String country = "GB";
    public int priority = 1000;
    public long reference = -5L;
    public String note = "leave it at the door, please; the dog does not bite";
  }

  private interface Work {
    Object run() throws Exception;
  }

  private static final SerializerFactory FACTORY = new SerializerFactory(HessianBench.class.getClassLoader());
  private static Object sink;

  private static byte[] write(Object value, ByteArrayOutputStream bytes) throws Exception {
    bytes.reset();
    Hessian2Output out = new Hessian2Output(bytes);
    out.setSerializerFactory(FACTORY);
    out.writeObject(value);
    out.flush();
    return bytes.toByteArray();
  }

  private static Object read(byte[] bytes) throws Exception {
    Hessian2Input in = new Hessian2Input(new ByteArrayInputStream(bytes));
    in.setSerializerFactory(FACTORY);
    return in.readObject();
  }

  // CPU microseconds of this thread per run, the best of five windows after a warm-up.
  private static double measure(Work work, double seconds) throws Exception {
    double best = Double.MAX_VALUE;
    for (int round = -2; round < 5; round++) {
      long end = System.nanoTime() + (long) (seconds / 7 * 1e9);
      long began = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
      long runs = 0;
      while (System.nanoTime() < end) {
        for (int i = 0; i < 100; i++) {
          sink = work.run();
        }
        runs += 100;
      }
      long cpu = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime() - began;
      best = round >= 0 ? Math.min(best, cpu / 1e3 / runs) : best;
    }
    return best;
  }

  public static void main(String[] args) throws Exception {
    Order order = new Order();
    ByteArrayOutputStream buffer = new ByteArrayOutputStream();
    byte[] bytes = write(order, buffer);
    if (args[0].equals("bytes")) {
      StringBuilder text = new StringBuilder();
      for (byte b : bytes) {
        text.append(String.format("%02x", b));
      }
      System.out.println(text);
      return;
    }
    double seconds = Double.parseDouble(args[0]);
    double decode = measure(() -> read(bytes), seconds);
    double encode = measure(() -> write(order, buffer), seconds);
    System.out.printf("{\"decode_us\":%.4f,\"encode_us\":%.4f}%n", decode, encode);
  }
}
