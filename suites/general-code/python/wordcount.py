import sys
from collections import Counter


def words(lines):
    for line in lines:
        for word in line.lower().split():
            word = word.strip(".,;:!?()")
            if word:
                yield word


def main():
    counts = Counter(words(sys.stdin))
    for word, number in counts.most_common(10):
        print(f"{number:6d} {word}")


if __name__ == "__main__":
    main()
