public final class BinarySearch {
    private BinarySearch() {
    }

    /** The place of key in the sorted array, or the place where it belongs, as a negative number less one. */
    public static int find(int[] sorted, int key) {
        int low = 0;
        int high = sorted.length - 1;
        while (low <= high) {
            int middle = (low + high) >>> 1;
            if (sorted[middle] < key) {
                low = middle + 1;
            } else if (sorted[middle] > key) {
                high = middle - 1;
            } else {
                return middle;
            }
        }
        return -low - 1;
    }

    public static void main(String[] args) {
        int[] numbers = {2, 3, 5, 7, 11};
        System.out.println(find(numbers, 7) + " " + find(numbers, 6));
    }
}
