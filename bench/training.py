"""Training throughput on this machine's CPU: the same rows under different settings, as a Markdown table.

    bin/bbjtune demo
    $(bin/bbjtune env) bench/training.py runs/train/ID [--steps 24]

The rows, the model and the adapter are those of the run's two stages. Every line of the table is one train job of the
worker in a process of its own; its figure is real tokens, without padding, over the seconds of the steps after the
second. Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

WORKER = Path(__file__).resolve().parent.parent / "worker"

# The worker as it is, and one that lets glibc give every large block back to the system.
AS_IS = "import worker; worker.main()"
GIVES_BACK = "import train, worker; train.keep_freed_memory = lambda: None; worker.main()"

VARIANTS: list[tuple[str, str, dict[str, Any]]] = [
    ("as the worker chooses", AS_IS, {}),
    ("freed memory goes back to the system", GIVES_BACK, {}),
    ("attention sdpa", AS_IS, {"attention": "sdpa"}),
    ("fp32", AS_IS, {"precision": "fp32"}),
    ("activation checkpointing", AS_IS, {"gradient_checkpointing": True}),
]
UNTIMED_STEPS = 2


def measure(stage: Path, program: str, changes: dict[str, Any], steps: int) -> float:
    """Tokens a second of one stage under the changes; 0 where the job failed."""
    job = json.loads((stage / "job.json").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        valid = Path(folder, "valid.jsonl")
        valid.write_text("".join(Path(job["valid"]).read_text("utf-8").splitlines(keepends=True)[:2]), "utf-8")
        never = steps + 1
        job |= {"output": str(Path(folder, "out")), "valid": str(valid), "resume": False, "logging_steps": 1}
        job |= {"max_steps": steps, "eval_steps": never, "save_steps": never} | changes
        path = Path(folder, "job.json")
        path.write_text(json.dumps(job), "utf-8")
        return rate(program, path)


def rate(program: str, job: Path) -> float:
    with subprocess.Popen(
        [sys.executable, "-B", "-c", program],
        cwd=WORKER,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as worker:
        assert worker.stdin and worker.stdout
        worker.stdin.write(json.dumps({"job": str(job)}) + "\n")
        worker.stdin.flush()
        seen, tokens, seconds = 0, 0, 0.0
        for line in worker.stdout:
            event = json.loads(line)
            if event["event"] == "step":
                if event["step"] > UNTIMED_STEPS:
                    tokens += event["tokens"] - seen
                    seconds += (event["tokens"] - seen) / event["tokens_per_s"]
                seen = event["tokens"]
            elif event["event"] == "failed":
                print(event["message"], file=sys.stderr)
            if event["event"] in ("done", "failed"):
                break
        worker.stdin.close()
    return tokens / seconds if seconds else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description="training throughput of a run's stages under different settings")
    parser.add_argument("run", type=Path, help="a folder below runs/train")
    parser.add_argument("--steps", type=int, default=24)
    args = parser.parse_args()
    print("| settings | stage 1, tokens/s | stage 2, tokens/s |\n| --- | --- | --- |")
    for name, program, changes in VARIANTS:
        figures = (measure(args.run / stage, program, changes, args.steps) for stage in ("stage1", "stage2"))
        print(f"| {name} |" + "".join(f" {figure:.0f} |" for figure in figures), flush=True)


if __name__ == "__main__":
    main()
