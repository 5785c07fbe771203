public class Parser {
    private final String text;
    private int place;

    public Parser(String text) {
        this.text = text.replace(" ", "");
    }

    public double sum() {
        double value = product();
        while (place < text.length() && (text.charAt(place) == '+' || text.charAt(place) == '-')) {
            value = text.charAt(place++) == '+' ? value + product() : value - product();
        }
        return value;
    }

    private double product() {
        double value = number();
        while (place < text.length() && (text.charAt(place) == '*' || text.charAt(place) == '/')) {
            value = text.charAt(place++) == '*' ? value * number() : value / number();
        }
        return value;
    }

    private double number() {
        int start = place;
        while (place < text.length() && (Character.isDigit(text.charAt(place)) || text.charAt(place) == '.')) {
            place++;
        }
        return Double.parseDouble(text.substring(start, place));
    }
}
