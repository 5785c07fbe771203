"""The worker beside a bare TRL script with the same settings, and packing beside padding to 1024, as Markdown tables.

    bin/bbjtune demo
    $(bin/bbjtune env) bench/beside_trl.py runs/train/ID [--rounds 5] [--steps 12]

The rows, the model and the adapter are those of the run's two stages. Each figure is a training in a process of its
own: real tokens, without padding, over the seconds from the end of its second step to the end of its last. All that
happens between steps counts; loading and the first steps do not. What is compared takes turns, in an order that turns
around from round to round. The figures are medians over the rounds, and so is the ratio; beside it the extremes
of single rounds. On a machine that does other work too, look at the CPU seconds of the process.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psutil

HERE = Path(__file__).resolve().parent
WORKER = HERE.parent / "worker"

# The worker as it is, and one whose batches are all padded to full length, as those of the first attempt were.
AS_IS = [sys.executable, "-c", "import worker; worker.main()"]
PADDED = [
    sys.executable,
    "-c",
    """
import dataclasses, train, worker
usual = train.sft_config
train.sft_config = lambda stage: dataclasses.replace(usual(stage), pad_to_multiple_of=stage.job["max_length"])
worker.main()
""",
]
BARE = [sys.executable, str(HERE / "bare_trl.py")]
UNTIMED_STEPS = 2

# Both sides wait for one another's threads in the same way.
ENVIRONMENT = os.environ | {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "20000", "TOKENIZERS_PARALLELISM": "false"}


@dataclass
class Rate:
    """Real tokens a second, by the clock and by the CPU time of the process."""

    wall: float
    cpu: float


@dataclass
class Contest:
    """Two ways to train on the same rows: their names and commands, the settings of each and those of both."""

    stage: str
    names: tuple[str, str]
    commands: tuple[list[str], list[str]]
    changes: tuple[dict[str, Any], dict[str, Any]]


def job_of(run: Path, stage: str, folder: Path, steps: int) -> dict[str, Any]:
    """The job of the run's stage without evaluation and checkpoints, with every auto as it was resolved."""
    job = json.loads((run / stage / "job.json").read_text("utf-8"))
    config = json.loads((run / stage / "training_config.json").read_text("utf-8"))
    valid = folder / "valid.jsonl"
    valid.write_text("".join(Path(job["valid"]).read_text("utf-8").splitlines(keepends=True)[:2]), "utf-8")
    never = steps + 1
    job |= {key: config[key] for key in ("precision", "attention", "threads", "device")}
    job |= {"output": str(folder / "out"), "valid": str(valid), "resume": False, "logging_steps": 1}
    return job | {"max_steps": steps, "eval_steps": never, "save_steps": never, "sample_prompts": 0}


def measure(run: Path, stage: str, command: list[str], changes: dict[str, Any], steps: int) -> Rate:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "job.json")
        path.write_text(json.dumps(job_of(run, stage, Path(folder), steps) | changes), "utf-8")
        if command is BARE:
            return watch([*BARE, str(path)], "", steps)
        return watch(command, json.dumps({"job": str(path)}) + "\n", steps)


def watch(command: list[str], request: str, steps: int) -> Rate:
    """Starts a training and takes the time from the end of its second step to the end of its last."""
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(
            command, cwd=WORKER, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        assert process.stdin and process.stdout
        process.stdin.write(request)
        process.stdin.flush()
        times = psutil.Process(process.pid)
        seen: list[tuple[int, float, float]] = []  # tokens, seconds, CPU seconds at the end of a step
        for line in process.stdout:
            event = json.loads(line)
            if event["event"] == "step" and event["step"] >= UNTIMED_STEPS:
                spent = times.cpu_times()
                seen.append((event["tokens"], time.monotonic(), spent.user + spent.system))
            if event["event"] == "failed":
                sys.exit(event["message"])
            if event["event"] == "step" and event["step"] == steps:
                break
        process.kill()
        if len(seen) < 2:
            log.seek(0)
            sys.exit(log.read()[-2000:])
    tokens, wall, cpu = (last - first for first, last in zip(seen[0], seen[-1], strict=True))
    return Rate(tokens / wall, tokens / cpu)


def contest(run: Path, c: Contest, rounds: int, steps: int) -> str:
    """One line of a table."""
    rates: tuple[list[Rate], list[Rate]] = ([], [])
    for turn in range(rounds):
        for side in (0, 1) if turn % 2 == 0 else (1, 0):
            rate = measure(run, c.stage, c.commands[side], c.changes[side], steps)
            print(f"{c.stage} {c.names[side]}: {rate.wall:.0f} tokens/s, {rate.cpu:.0f}/CPU s", file=sys.stderr)
            rates[side].append(rate)
    cells = [c.stage]
    for how in ("wall", "cpu"):
        first, second = ([getattr(rate, how) for rate in side] for side in rates)
        ratios = sorted(a / b for a, b in zip(first, second, strict=True))
        cells += [f"{median(first):.0f}", f"{median(second):.0f}"]
        cells.append(f"{median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")
    return "| " + " | ".join(cells) + " |"


def table(run: Path, contests: list[Contest], rounds: int, steps: int) -> None:
    first, second = contests[0].names
    print(f"| rows of | {first}, tokens/s | {second}, tokens/s | ratio | {first}, tokens/CPU s |", end="")
    print(f" {second}, tokens/CPU s | ratio |\n| --- | --- | --- | --- | --- | --- | --- |")
    for each in contests:
        print(contest(run, each, rounds, steps), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="the worker beside a bare TRL script, and packing beside padding")
    parser.add_argument("run", type=Path, help="a folder below runs/train")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--only", choices=("trl", "padding"), help="one of the two tables")
    args = parser.parse_args()
    stages = ("stage1", "stage2")
    if args.only != "padding":
        table(
            args.run,
            [Contest(stage, ("worker", "bare TRL"), (AS_IS, BARE), ({}, {})) for stage in stages],
            args.rounds,
            args.steps,
        )
    if args.only != "trl":
        print()
        # One row of 1024 places a step, as in the first attempt; attention as the worker chooses at this length.
        same = {"max_length": 1024, "batch_size": 1, "gradient_accumulation": 1, "attention": "auto"}
        same |= {"group_by_length": False}
        changes = (same | {"packing": "bfd"}, same | {"packing": "none"})
        table(
            args.run,
            [Contest(stage, ("packed", "padded to 1024"), (AS_IS, PADDED), changes) for stage in stages],
            args.rounds,
            args.steps,
        )


if __name__ == "__main__":
    main()
