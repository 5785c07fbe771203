import java.util.NoSuchElementException;

public class LinkedStack<T> {
    private static class Node<T> {
        final T value;
        final Node<T> below;

        Node(T value, Node<T> below) {
            this.value = value;
            this.below = below;
        }
    }

    private Node<T> top;
    private int size;

    public void push(T value) {
        top = new Node<>(value, top);
        size++;
    }

    public T pop() {
        if (top == null) {
            throw new NoSuchElementException("the stack is empty");
        }
        T value = top.value;
        top = top.below;
        size--;
        return value;
    }

    public int size() {
        return size;
    }
}
