"""The commands on data over generated rows of several sizes: a Markdown table of time and peak memory.

    make build
    python3 bench/data.py [--rows 10000 100000 1000000] [--commands audit clean build]

The rows are blocks of 9,922 with the defects of the first attempt's set, each block of a seed of its own. Each figure
is one process; memory is what the system counted for it at its largest. The files go to a temporary folder (TMPDIR),
which needs about 5 KB a row.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BBJTUNE = ROOT / "bin" / "bbjtune"
RECIPE = "name: bench\nbase: {model: no/model}\ndata: {rows: [rows.jsonl]}\n"
COMMANDS = {
    "audit": ["data", "audit", "rows.jsonl"],
    "clean": ["data", "clean", "rows.jsonl"],
    "build": ["data", "build", "recipe.yaml"],
}


def cost(command: str, folder: Path) -> tuple[float, float, float]:
    """(wall seconds, CPU seconds of all threads, peak MB) of a command in a folder."""
    with (folder / "said.txt").open("wb") as said:
        started = time.monotonic()
        child = subprocess.Popen([str(BBJTUNE), *COMMANDS[command]], cwd=folder, stdout=said, stderr=said)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.monotonic() - started
    if os.waitstatus_to_exitcode(status) not in (0, 1):  # 1: the audit has found something
        sys.exit((folder / "said.txt").read_text("utf-8"))
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def measured(rows: int, commands: list[str]) -> list[str]:
    """The cells of a line of the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "rows.jsonl"
        subprocess.run(["go", "run", "./bench/rows", str(rows), str(file)], cwd=ROOT, check=True)
        (folder / "recipe.yaml").write_text(RECIPE, "utf-8")
        cells = [f"{rows:,}", f"{file.stat().st_size / 1e6:.0f}"]
        for command in commands:
            wall, cpu, memory = cost(command, folder)
            cells += [f"{wall:.1f}", f"{cpu:.1f}", f"{memory:.0f}"]
    return cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--commands", nargs="+", choices=list(COMMANDS), default=list(COMMANDS))
    asked = parser.parse_args()
    heads = ["rows", "MB"]
    for command in asked.commands:
        heads += [f"{command}, s", "CPU s", "memory, MB"]
    print("| " + " | ".join(heads) + " |")
    print("| " + " | ".join("---" for _ in heads) + " |")
    for rows in asked.rows:
        print("| " + " | ".join(measured(rows, asked.commands)) + " |", flush=True)


if __name__ == "__main__":
    main()
