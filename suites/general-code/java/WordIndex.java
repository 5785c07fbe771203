import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;

public class WordIndex {
    public static SortedMap<String, TreeSet<Integer>> index(Path file) throws IOException {
        SortedMap<String, TreeSet<Integer>> lines = new TreeMap<>();
        try (BufferedReader reader = Files.newBufferedReader(file)) {
            int number = 0;
            for (String line; (line = reader.readLine()) != null; ) {
                number++;
                for (String word : line.toLowerCase().split("\\W+")) {
                    if (!word.isEmpty()) {
                        lines.computeIfAbsent(word, w -> new TreeSet<>()).add(number);
                    }
                }
            }
        }
        return lines;
    }

    public static void main(String[] args) throws IOException {
        index(Path.of(args[0])).forEach((word, lines) -> System.out.println(word + " " + lines));
    }
}
