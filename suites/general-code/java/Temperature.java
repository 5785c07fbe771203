public class Temperature {
    private final double celsius;

    public Temperature(double celsius) {
        if (celsius < -273.15) {
            throw new IllegalArgumentException("below absolute zero");
        }
        this.celsius = celsius;
    }

    public double fahrenheit() {
        return celsius * 9 / 5 + 32;
    }

    public static void main(String[] args) {
        for (int c = 0; c <= 100; c += 20) {
            System.out.printf("%3d C = %5.1f F%n", c, new Temperature(c).fahrenheit());
        }
    }
}
