"""Looks at every node of a Ray cluster: python ray_probe.py PLAN.json, as a job in the folder of its package.

A task on each node says which packages are there, what GPUs it sees, how much room its disks have, and whether the
shared folder holds what another node wrote into it. Each answer is one line on stdout, PREFIX and a JSON object. No
library is imported but Ray, so a node answers as soon as a worker of it is up.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import json
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PREFIX = "bbjtune-probe "


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


def read(folder: str, name: str) -> str:
    """What a file of the shared folder holds; network file systems show it a little later."""
    for wait in (0.0, 0.2, 0.5, 1.0):
        time.sleep(wait)
        with contextlib.suppress(OSError):
            return Path(folder, name).read_text(encoding="utf-8")
    return ""


def look(plan: dict[str, Any]) -> dict[str, Any]:
    """What one node says of itself."""
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
            "of_node": read(folder, plan["node_file"]) == plan["nonce"],
            "of_client": not plan["client_file"] or read(folder, plan["client_file"]) == plan["nonce"],
            "fault": written(folder, plan["node_file"] + "-test", ""),
        }
        with contextlib.suppress(OSError):
            Path(folder, plan["node_file"] + "-test").unlink()
    answer["clock"] = time.time()
    return answer


def say(**answer: Any) -> None:
    print(PREFIX + json.dumps(answer), flush=True)


def ask(ray: Any, plan: dict[str, Any]) -> None:
    """Puts a task on every node and says what each answers."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    def on(node: str, function: Any) -> Any:
        place = NodeAffinitySchedulingStrategy(node, soft=False)
        return ray.remote(function).options(num_cpus=0, max_retries=0, scheduling_strategy=place)

    if plan["storage"]:
        done, _ = ray.wait(
            [on(plan["nodes"][0], written).remote(plan["storage"], plan["node_file"], plan["nonce"])],
            timeout=plan["seconds"],
        )
        if done:
            ray.get(done)
    waiting = {on(node, look).remote(plan): node for node in plan["nodes"]}
    deadline = time.monotonic() + plan["seconds"]
    while waiting:
        done, _ = ray.wait(list(waiting), timeout=max(0.0, deadline - time.monotonic()))
        if not done:
            break
        node = waiting.pop(done[0])
        try:
            say(node=node, here=time.time(), **ray.get(done[0]))
        except Exception as error:  # a node that fails is what is looked for
            say(node=node, error=(str(error).strip().splitlines() or [type(error).__name__])[-1])
    for node in waiting.values():
        say(node=node, error=f"no answer within {plan['seconds']} seconds")
    if plan["storage"]:
        with contextlib.suppress(OSError):
            Path(plan["storage"], plan["node_file"]).unlink()


def main(path: str) -> None:
    import ray

    plan = json.loads(Path(path).read_text(encoding="utf-8"))
    ray.init(log_to_driver=False, logging_level="ERROR")
    try:
        ask(ray, plan)
    finally:
        ray.shutdown()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python ray_probe.py PLAN.json")
    main(sys.argv[1])
