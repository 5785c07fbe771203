import unittest


class Ring:
    def __init__(self, size):
        self.items = [None] * size
        self.first = self.count = 0

    def push(self, item):
        if self.count == len(self.items):
            raise OverflowError("the ring is full")
        self.items[(self.first + self.count) % len(self.items)] = item
        self.count += 1

    def pop(self):
        if not self.count:
            raise IndexError("the ring is empty")
        item = self.items[self.first]
        self.first = (self.first + 1) % len(self.items)
        self.count -= 1
        return item


class RingTest(unittest.TestCase):
    def test_order(self):
        ring = Ring(3)
        for n in range(3):
            ring.push(n)
        self.assertEqual([ring.pop() for _ in range(3)], [0, 1, 2])

    def test_full(self):
        ring = Ring(1)
        ring.push("x")
        with self.assertRaises(OverflowError):
            ring.push("y")


if __name__ == "__main__":
    unittest.main()
