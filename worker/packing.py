"""Fills sequences with whole documents as tightly as it can, for rows that best fit decreasing packs badly."""

from __future__ import annotations


def fill(lengths: list[int], most: int) -> list[list[int]]:
    """Sequences of at most `most` tokens, each as the places of its documents in the list.

    A sequence begins with the longest document that is left; of what can be added to it, that which fills it best is
    chosen. Documents of one length are alike, so that there are far fewer choices than documents.
    """
    waiting: dict[int, list[int]] = {}
    for place in reversed(range(len(lengths))):
        waiting.setdefault(lengths[place], []).append(place)
    left = sorted(waiting, reverse=True)
    sequences = []
    while left:
        sequence = [waiting[left[0]].pop()]
        for length in fullest(left, waiting, most - lengths[sequence[0]]):
            sequence.append(waiting[length].pop())
        sequences.append(sequence)
        left = [length for length in left if waiting[length]]
    return sequences


def fullest(left: list[int], waiting: dict[int, list[int]], room: int) -> list[int]:
    """The lengths of the documents that together come nearest to the room, longer ones first."""
    sums = 1  # bit n is set where some of the documents so far make n together
    taken: list[tuple[int, int]] = []  # each document that made new sums, with the sums before it
    for length in left:
        for _ in range(min(len(waiting[length]), room // length)):
            more = sums | (sums << length) & ((1 << (room + 1)) - 1)
            if more == sums:
                break
            taken.append((length, sums))
            sums = more
        if sums >> room & 1:
            break
    total = sums.bit_length() - 1
    chosen = []
    for length, before in reversed(taken):
        if not before >> total & 1:
            chosen.append(length)
            total -= length
    return chosen[::-1]
