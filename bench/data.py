"""The commands on data over generated rows of several sizes: a Markdown table of time and peak memory.

    make build
    python3 bench/data.py [--rows 10000 100000 1000000] [--commands audit clean build] [--plot docs/data-scaling.svg]

The rows are blocks of 9,922 with the defects of the first attempt's set, each block of a seed of its own. Each figure
is one process; memory is what the system counted for it at its largest. The files go to a temporary folder (TMPDIR),
which needs about 5 KB a row.
"""

from __future__ import annotations

import argparse
import math
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


Points = list[tuple[int, float]]  # rows and CPU seconds
COLOURS = {"audit": "#0b63ce", "clean": "#c2410c", "build": "#15803d"}


def plot(points: dict[str, Points]) -> str:
    """CPU seconds over rows, both by powers of ten, beside 10 seconds per 100,000 rows."""

    def place(rows: float, seconds: float) -> tuple[float, float]:
        return 60 + 130 * (math.log10(rows) - 4), 220 - 55 * (math.log10(seconds) + 1)

    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 460 260" width="460" role="img" '
        'aria-label="CPU seconds over rows" font-family="sans-serif" font-size="11">',
        '<rect width="460" height="260" fill="#fff"/>',
    ]
    for power in range(-1, 3):
        _, y = place(1e4, 10**power)
        parts.append(f'<path d="M60 {y:.1f}H340" stroke="#ddd"/><text x="54" y="{y + 4:.1f}" text-anchor="end">')
        parts.append(f"{10**power:g} s</text>")
    for rows in (10_000, 100_000, 1_000_000):
        x, _ = place(rows, 1)
        parts.append(f'<text x="{x:.1f}" y="238" text-anchor="middle">{rows:,}</text>')
    ends = [place(rows, rows / 1e4) for rows in (10_000, 1_000_000)]
    drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in ends)
    parts.append(f'<polyline points="{drawn}" fill="none" stroke="#999" stroke-dasharray="4 4"/>')
    parts.append('<text x="350" y="40" fill="#777">in proportion</text>')
    for i, (command, line) in enumerate(points.items()):
        drawn = " ".join("{:.1f},{:.1f}".format(*place(rows, seconds)) for rows, seconds in line)
        colour = COLOURS[command]
        parts.append(f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="350" y="{70 + 18 * i}" fill="{colour}">data {command}</text>')
    parts.append('<text x="200" y="254" text-anchor="middle">rows (CPU seconds, both axes logarithmic)</text></svg>')
    return "".join(parts) + "\n"


def measured(rows: int, commands: list[str], points: dict[str, Points]) -> list[str]:
    """The cells of a line of the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "rows.jsonl"
        subprocess.run(["go", "run", "./bench/rows", str(rows), str(file)], cwd=ROOT, check=True)
        (folder / "recipe.yaml").write_text(RECIPE, "utf-8")
        cells = [f"{rows:,}", f"{file.stat().st_size / 1e6:.0f}"]
        for command in commands:
            wall, cpu, memory = cost(command, folder)
            points[command].append((rows, cpu))
            cells += [f"{wall:.1f}", f"{cpu:.1f}", f"{memory:.0f}"]
    return cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--commands", nargs="+", choices=list(COMMANDS), default=list(COMMANDS))
    parser.add_argument("--plot", type=Path, help="file for a picture of the CPU seconds")
    asked = parser.parse_args()
    points: dict[str, Points] = {command: [] for command in asked.commands}
    heads = ["rows", "MB"]
    for command in asked.commands:
        heads += [f"{command}, s", "CPU s", "memory, MB"]
    print("| " + " | ".join(heads) + " |")
    print("| " + " | ".join("---" for _ in heads) + " |")
    for rows in asked.rows:
        print("| " + " | ".join(measured(rows, asked.commands, points)) + " |", flush=True)
    if asked.plot:
        asked.plot.write_text(plot(points), "utf-8")


if __name__ == "__main__":
    main()
