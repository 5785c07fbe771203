"""Near-duplicates among many documents, found by bbjtune and by datatrove's MinHash, side by side: a Markdown table.

    python3 -m venv /tmp/datatrove && /tmp/datatrove/bin/pip install datatrove==0.10.1
    /tmp/datatrove/bin/python bench/dedupe.py 100000

The documents are made up (seeded): 40 to 250 words of small letters, so that both take the same words for tokens; half
of them are others with some words changed, from alike to unlike. Both look for pairs whose sets of 5-grams overlap by a
Jaccard similarity of 0.7: datatrove with 250 permutations in 50 buckets of 5, on two processes, with words split at
spaces (faster than its tokenizers for languages); bbjtune by its exact join. The truth is the Jaccard similarity of
every pair within a sample of the documents. Everything from the file of documents on counts, the start included.
"""

from __future__ import annotations

import json
import random
import string
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import datatrove.pipeline.dedup.minhash as minhash
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.readers import JsonlReader
from datatrove.utils.hashing import HashConfig

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = 4000
THRESHOLD = 0.7
BUCKETS, PER_BUCKET = 50, 5


def documents(count: int, seed: int) -> Iterator[str]:
    chance = random.Random(seed)
    words = ["".join(chance.choices(string.ascii_lowercase, k=chance.randint(2, 9))) for _ in range(8000)]
    recent: list[list[str]] = []
    for _ in range(count):
        if recent and chance.random() < 0.5:
            text = list(chance.choice(recent))
            for _ in range(chance.randint(0, len(text) // 12)):
                text[chance.randrange(len(text))] = chance.choice(words)
        else:
            text = chance.choices(words, k=chance.randint(40, 250))
        recent.append(text)
        if len(recent) > 400:
            recent.pop(chance.randrange(400))
        yield " ".join(text)


class Spaces:
    def word_tokenize(self, text: str) -> list[str]:
        return text.split()


def with_datatrove(folder: Path, work: Path) -> list[int]:
    minhash.load_word_tokenizer = lambda _: Spaces()
    config = minhash.MinhashConfig(
        n_grams=5, num_buckets=BUCKETS, hashes_per_bucket=PER_BUCKET, hash_config=HashConfig(precision=64)
    )
    logs = str(work / "logs")
    signatures, buckets, removed = (str(work / name) for name in ("signatures", "buckets", "removed"))
    steps = [
        ([JsonlReader(str(folder)), minhash.MinhashDedupSignature(signatures, config)], 2),
        ([minhash.MinhashDedupBuckets(signatures, buckets, config=config)], BUCKETS),
        ([minhash.MinhashDedupCluster(buckets, removed, config=config)], 1),
    ]
    for step, tasks in steps:
        LocalPipelineExecutor(step, tasks=tasks, workers=2, logging_dir=f"{logs}/{tasks}").run()
    return clusters_of(Path(buckets), work)


def clusters_of(buckets: Path, work: Path) -> list[int]:
    """The clusters that the pairs of the second stage make up, by the number of the document."""
    sizes = [int(line) for line in (work / "sizes").read_text().split()]
    firsts = [sum(sizes[:rank]) for rank in range(len(sizes))]
    parent = list(range(sum(sizes)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for path in buckets.rglob("*.dups"):
        for file1, doc1, file2, doc2 in struct.iter_unpack("<4I", path.read_bytes()):
            a, b = root(firsts[file1] + doc1), root(firsts[file2] + doc2)
            parent[max(a, b)] = min(a, b)
    return [root(i) for i in range(len(parent))]


def grams(text: str) -> set[tuple[str, ...]]:
    words = text.split()
    return {tuple(words[i : i + 5]) for i in range(len(words) - 4)}


def truth(texts: list[str]) -> list[tuple[int, int]]:
    """Every pair of near-duplicates among the first documents."""
    sets = [grams(text) for text in texts[:SAMPLE]]
    pairs = []
    for i, j in combinations(range(len(sets)), 2):
        a, b = sets[i], sets[j]
        if THRESHOLD * len(a) > len(b) or THRESHOLD * len(b) > len(a):
            continue
        both = len(a & b)
        if both >= THRESHOLD * (len(a) + len(b) - both):
            pairs.append((i, j))
    return pairs


def main() -> None:
    count = int(sys.argv[1])
    texts = list(documents(count, seed=1))
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        program, whole, halves = str(work / "clusteronce"), work / "all.jsonl", work / "halves"
        halves.mkdir()
        lines = [json.dumps({"text": text, "id": str(i)}) + "\n" for i, text in enumerate(texts)]
        whole.write_text("".join(lines))
        middle = count // 2
        for rank, part in enumerate((lines[:middle], lines[middle:])):
            (halves / f"{rank}.jsonl").write_text("".join(part))
        (work / "sizes").write_text(f"{middle}\n{count - middle}\n")
        subprocess.run(["go", "build", "-o", program, "./bench/clusteronce"], cwd=ROOT, check=True)
        started = time.perf_counter()
        ours = [int(line) for line in subprocess.check_output([program, str(whole)], text=True).split()]
        middle_time = time.perf_counter()
        theirs = with_datatrove(halves, work)
        ended = time.perf_counter()
    pairs = truth(texts)
    fast, slow = middle_time - started, ended - middle_time
    print("| documents | | seconds | pairs found of the sample's | clusters |")
    print("| --- | --- | --- | --- | --- |")
    for name, seconds, clusters in (("bbjtune", fast, ours), ("datatrove", slow, theirs)):
        found = sum(clusters[i] == clusters[j] for i, j in pairs)
        share = 100 * found / len(pairs)
        print(f"| {count} | {name} | {seconds:.1f} | {found} of {len(pairs)} ({share:.1f} %) | {len(set(clusters))} |")
    print(f"\nratio: {slow / fast:.1f}")


if __name__ == "__main__":
    main()
