"""The BBj front end beside bbj-language-server's parser, on the same files: a Markdown table.

    make build
    git clone https://github.com/BBx-Kitchen/bbj-language-server
    (cd bbj-language-server/bbj-vscode && npm install --ignore-scripts)
    python3 bench/frontend.py bbj-language-server/bbj-vscode bbj/testdata/valid [FOLDER …]

Each row is one process over all files of a folder; CPU seconds and memory are those that the system counted for it. The
rows called smallest are a process over the smallest file of the first folder alone, the best of five.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
BBJTUNE = HERE.parent / "bin" / "bbjtune"
SUFFIXES = (".bbj", ".src", ".bbl")


@dataclass
class Cost:
    wall: float  # seconds
    cpu: float  # seconds, of all threads
    memory: float  # MB
    rejected: int


def cost(command: list[str], out: Path) -> tuple[float, float, float]:
    """(wall seconds, CPU seconds, peak MB) of a process; its output goes to a file."""
    started = time.monotonic()
    with out.open("wb") as sink:
        child = subprocess.Popen(command, stdout=sink, stderr=subprocess.DEVNULL)
        _, _, usage = os.wait4(child.pid, 0)
    return time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def bbjtune(files: list[Path], folder: Path) -> Cost:
    out = folder / "bbjtune.json"
    flags = ["--engine", "embedded", "--only", "syntax", "--output-format", "json"]
    used = cost([str(BBJTUNE), "check", *flags, *map(str, files)], out)
    found = json.loads(out.read_text("utf-8"))["findings"]
    return Cost(*used, len({each["file"] for each in found}))


def peer(checkout: Path, files: list[Path], folder: Path) -> Cost:
    listed, out = folder / "files.txt", folder / "peer.json"
    listed.write_text("\n".join(map(str, files)), "utf-8")
    used = cost(["node", str(HERE / "peer.mjs"), str(checkout), str(listed)], out)
    return Cost(*used, len(json.loads(out.read_text("utf-8"))["rejected"]))


def row(files: str, tool: str, size: int, count: int, used: Cost) -> str:
    rate = f"{size / 1e6 / used.cpu:.2f}" if size > 10_000 else "-"  # of a small file it is all start-up
    accepted = f"{count - used.rejected} of {count}"
    return f"| {files} | {tool} | {accepted} | {used.wall:.3f} | {used.cpu:.3f} | {rate} | {used.memory:.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description="the front end beside bbj-language-server's parser")
    parser.add_argument("checkout", type=Path, help="bbj-vscode of a clone of bbj-language-server")
    parser.add_argument("folders", type=Path, nargs="+")
    args = parser.parse_args()
    print("| files | tool | accepted | seconds | CPU seconds | MB a CPU second | memory, MB |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as name:
        tools = (("bbjtune", bbjtune), ("bbj-language-server", peer_of(args.checkout)))
        for number, folder in enumerate(args.folders):
            files = sorted(p.resolve() for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
            if not files:
                sys.exit(f"no BBj file below {folder}")
            jobs = [(f"{folder.name}, {len(files)}", files, 1)]
            if number == 0:
                smallest = min(files, key=lambda p: p.stat().st_size)
                peer(args.checkout, [smallest], Path(name))  # bundles the parser, if that is not done yet
                jobs.append(("smallest", [smallest], 5))
            for label, some, runs in jobs:
                size = sum(p.stat().st_size for p in some)
                for tool, run in tools:
                    best = min((run(some, Path(name)) for _ in range(runs)), key=lambda used: used.wall)
                    print(row(label, tool, size, len(some), best), flush=True)


def peer_of(checkout: Path) -> Callable[[list[Path], Path], Cost]:
    return lambda files, folder: peer(checkout, files, folder)


if __name__ == "__main__":
    main()
