"""What the model server's threads do while they wait for one another: a Markdown table.

    make demo
    $(bin/bbjtune env) bench/serving.py runs/pack/ID/model-q8_0.gguf

Eight questions at a time, 64 tokens each; busy is how many other processes want a core all the time. The figure is
tokens of answers a second, the better of two runs.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

SERVE = Path(__file__).resolve().parent.parent / "worker" / "serve.py"
QUESTIONS, TOKENS = 8, 64
VARIANTS: list[tuple[str, dict[str, str]]] = [
    ("spin 300000 times, then sleep", {"GOMP_SPINCOUNT": "300000"}),
    ("spin 1000 times, then sleep (as bbjtune serves)", {}),
    ("sleep at once", {"GOMP_SPINCOUNT": "0"}),
]


def rate(model: Path, variables: dict[str, str], busy: int) -> float:
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(busy)]
    try:
        return served(model, variables)
    finally:
        for other in others:
            other.kill()
            other.wait()


def served(model: Path, variables: dict[str, str]) -> float:
    command = [sys.executable, "-B", str(SERVE), "--model", str(model), "--ctx", "1024", "--parallel", str(QUESTIONS)]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | variables,
        text=True,
    ) as server:
        assert server.stdin and server.stdout
        url = json.loads(server.stdout.readline())["url"]
        started = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(QUESTIONS) as pool:
            tokens = sum(pool.map(lambda number: ask(url, number), range(QUESTIONS)))
        seconds = time.monotonic() - started
        server.stdin.close()
    return tokens / seconds


def ask(url: str, number: int) -> int:
    question = f"Write a BBj program that prints the first {number + 5} squares."
    body = {"model": "x", "messages": [{"role": "user", "content": question}], "max_tokens": TOKENS, "temperature": 0}
    request = urllib.request.Request(
        url + "/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=600) as answer:
        return json.load(answer)["usage"]["completion_tokens"]


def main() -> None:
    parser = argparse.ArgumentParser(description="tokens a second of the model server, alone and on a busy machine")
    parser.add_argument("model", type=Path, help="a GGUF file")
    args = parser.parse_args()
    print("| waiting threads | alone | 1 busy | 2 busy |\n| --- | --- | --- | --- |")
    for name, variables in VARIANTS:
        best = (max(rate(args.model, variables, busy) for _ in range(2)) for busy in (0, 1, 2))
        print(f"| {name} |" + "".join(f" {each:.0f} |" for each in best), flush=True)


if __name__ == "__main__":
    main()
