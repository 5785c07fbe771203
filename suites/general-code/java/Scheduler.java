import java.time.Duration;
import java.util.PriorityQueue;

public class Scheduler {
    private record Task(long due, Runnable work) implements Comparable<Task> {
        @Override
        public int compareTo(Task other) {
            return Long.compare(due, other.due);
        }
    }

    private final PriorityQueue<Task> tasks = new PriorityQueue<>();
    private long now;

    public void after(Duration delay, Runnable work) {
        tasks.add(new Task(now + delay.toMillis(), work));
    }

    public void run() {
        while (!tasks.isEmpty()) {
            Task next = tasks.poll();
            now = next.due();
            next.work().run();
        }
    }

    public static void main(String[] args) {
        Scheduler scheduler = new Scheduler();
        scheduler.after(Duration.ofSeconds(2), () -> System.out.println("second"));
        scheduler.after(Duration.ofSeconds(1), () -> System.out.println("first"));
        scheduler.run();
    }
}
