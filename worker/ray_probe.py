"""Looks at one node of a Ray cluster: python ray_probe.py PLAN, as a job on that node; PLAN is JSON.

It says which packages are there, what GPUs the node sees, how much room its disks have, and whether the shared folder
holds what another node wrote into it. Each thing it says is one line on stdout, PREFIX and a JSON object. Nothing is
imported but the standard library, Ray neither: a node answers as soon as Ray has started a process on it.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import json
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PREFIX = "bbjtune-probe "
# Between two looks at the shared folder.
LOOK_SECONDS = 0.4


def version_of(package: str) -> str:
    """The installed version, or "" where the package is missing."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def cuda_of_torch() -> str:
    """The CUDA that torch is built for, read from its file: importing it takes seconds."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return ""
    try:
        text = Path(spec.origin).with_name("version.py").read_text(encoding="utf-8")
    except OSError:
        return ""
    found = re.search(r"^cuda(?:: [^=]+)? = '([^']+)'", text, re.MULTILINE)
    return found.group(1) if found else ""


def gpus() -> list[str]:
    """The GPUs by name, memory and driver, as NVIDIA's own tool tells them."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    query = [tool, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        said = subprocess.run(query, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line.strip() for line in said.stdout.splitlines() if line.strip()]


def free_bytes(path: str) -> int:
    try:
        return shutil.disk_usage(path).free
    except OSError:
        return -1


def written(folder: str, name: str, text: str) -> str:
    """Writes a file into the shared folder; returns what went wrong, or ""."""
    try:
        Path(folder, name).write_text(text, encoding="utf-8")
    except OSError as error:
        return f"{error.strerror or error}"
    return ""


def holds(folder: str, name: str, text: str) -> bool:
    with contextlib.suppress(OSError):
        return Path(folder, name).read_text(encoding="utf-8") == text
    return False


def removed(folder: str, name: str) -> None:
    with contextlib.suppress(OSError):
        Path(folder, name).unlink()


def facts(plan: dict[str, Any]) -> dict[str, Any]:
    """What the node says of itself."""
    answer: dict[str, Any] = {
        "python": platform.python_version(),
        "packages": {package: version_of(package) for package in plan["packages"]},
        "cuda": cuda_of_torch(),
        "gpus": gpus(),
        "temporary_free": free_bytes(tempfile.gettempdir()),
    }
    if plan["storage"]:
        folder = plan["storage"]
        answer["storage"] = {
            "there": Path(folder).is_dir(),
            "free": free_bytes(folder),
            "fault": written(folder, plan["own"], plan["nonce"]),
        }
    return answer


def look(plan: dict[str, Any]) -> None:
    """Looks for the files of others until all are seen, and says so each time: they may not be written yet.

    A network file system remembers for a while that a file was not there. It forgets that where the folder changed
    under its hands, so that something is written before each look.
    """
    missing, count = list(plan["others"]), 0
    while missing:
        written(plan["storage"], plan["own"] + "-look", "")
        removed(plan["storage"], plan["own"] + "-look")
        missing = [name for name in missing if not holds(plan["storage"], name, plan["nonce"])]
        count += 1
        say(looks=count, missing=missing)
        if missing:
            time.sleep(LOOK_SECONDS)


def say(**said: Any) -> None:
    # In one piece: Ray writes into the same file.
    sys.stdout.write(PREFIX + json.dumps(said) + "\n")
    sys.stdout.flush()


def end(*_: object) -> None:
    raise SystemExit(0)


def main(text: str) -> None:
    plan = json.loads(text)
    # Ended by the program, which knows when all others have seen this node's file, or by the clock.
    for number in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, end)
    signal.alarm(plan["seconds"])
    try:
        answer = facts(plan)
        say(**answer, clock=time.time())
        if plan["storage"] and not answer["storage"]["fault"]:
            look(plan)
            if plan["stays"]:
                signal.pause()
    finally:
        if plan["storage"]:
            removed(plan["storage"], plan["own"])
            removed(plan["storage"], plan["own"] + "-look")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python ray_probe.py PLAN")
    main(sys.argv[1])
