import java.util.Arrays;

public class Matrix {
    private final double[][] cells;

    public Matrix(double[][] cells) {
        this.cells = cells;
    }

    public Matrix times(Matrix other) {
        int rows = cells.length;
        int columns = other.cells[0].length;
        double[][] product = new double[rows][columns];
        for (int row = 0; row < rows; row++) {
            for (int column = 0; column < columns; column++) {
                for (int k = 0; k < other.cells.length; k++) {
                    product[row][column] += cells[row][k] * other.cells[k][column];
                }
            }
        }
        return new Matrix(product);
    }

    @Override
    public String toString() {
        return Arrays.deepToString(cells);
    }
}
