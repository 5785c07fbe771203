import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

public class Inventory {
    record Item(String name, int quantity, double price) {
        double value() {
            return quantity * price;
        }
    }

    private final Map<String, Item> items = new HashMap<>();

    public void add(String name, int quantity, double price) {
        items.merge(name, new Item(name, quantity, price),
                (old, more) -> new Item(name, old.quantity() + more.quantity(), more.price()));
    }

    public List<Item> byValue() {
        List<Item> list = new ArrayList<>(items.values());
        list.sort(Comparator.comparingDouble(Item::value).reversed());
        return list;
    }

    public static void main(String[] args) {
        Inventory inventory = new Inventory();
        inventory.add("bolt", 100, 0.1);
        inventory.add("saw", 3, 19.9);
        inventory.add("bolt", 50, 0.12);
        inventory.byValue().forEach(System.out::println);
    }
}
