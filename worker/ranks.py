"""Several processes of this machine for one train job, started with torch's elastic launcher (torchrun).

worker.py calls run(). That starts a launcher, `ranks.py launch`, which starts the ranks, `ranks.py rank`. Rank 0 writes
its events to the standard output that all inherit, and run() passes them on. Their standard input is a pipe into
which nothing is ever written: it ends with the process that holds the other end, and then so do they, wherever they
are. That is needed, because torch gives every rank a session of its own, out of reach for whoever ends our group.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import uuid
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jobs import BadInput, Failed, Failure, classify, less_memory

SHUTDOWN_SECONDS = 5  # for ranks whose training is over because another's failed


def run(request: str, job: dict[str, Any], emit: Callable[..., None]) -> dict[str, Any]:
    """Carries out the train job of a request in its processes, and returns its result."""
    if sys.platform == "win32":
        raise BadInput("torchrun needs Linux or macOS", "set compute.engine to local, or run bbjtune in WSL")
    with tempfile.TemporaryDirectory(prefix="bbjtune-ranks-") as said:
        launcher = subprocess.Popen(
            [sys.executable, __file__, "launch", str(job["processes"]), request, said],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment(job),
        )
        threading.Thread(target=follow, args=(launcher,), daemon=True).start()
        result = None
        assert launcher.stdout
        for line in launcher.stdout:
            event = json.loads(line)
            if event["event"] == "done":
                result = event["result"]
            else:
                emit(event.pop("event"), **event)
        launcher.wait()
        if result is None:
            raise Failed(what_failed(Path(said), job))
        return result


def follow(launcher: subprocess.Popen) -> None:
    """The ranks must not go on when their launcher is gone."""
    launcher.wait()
    assert launcher.stdin
    launcher.stdin.close()


def environment(job: dict[str, Any]) -> dict[str, str]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    share = str(job["threads"] or max(1, cores // job["processes"]))
    known = {"OMP_NUM_THREADS": share}
    if sys.platform == "linux":
        known["GLOO_SOCKET_IFNAME"] = "lo"  # else it asks what address the machine's name has
    return known | os.environ


# What each left behind that failed: the ranks a file each, and the launcher how they ended.


def leave(said: Path, name: str, error: Exception, job: dict[str, Any] | None) -> None:
    failure = classify(error, job)
    if failure.kind != "bad_input":
        traceback.print_exc(file=sys.stderr)
        sys.stderr.flush()
    left = {"at": time.time(), "lost": failure.kind == "internal" and lost(error)} | asdict(failure)
    (said / f"failed-{name}.json").write_text(json.dumps(left))


def what_failed(said: Path, job: dict[str, Any]) -> Failure:
    """The failure that came first; that others lost their connection to the one that failed tells nothing."""
    failures = sorted(
        (json.loads(path.read_text()) for path in said.glob("failed-*.json")), key=lambda each: each["at"]
    )
    causes = [each for each in failures if not each["lost"]]
    if causes:
        return Failure(causes[0]["kind"], causes[0]["message"], causes[0]["hint"])
    ended = said / "ended.json"
    codes = json.loads(ended.read_text()) if ended.is_file() else {}
    again = "run the same command again; training goes on from the newest complete checkpoint"
    for rank, code in codes.items():
        if code < 0 and code != -signal.SIGTERM:
            name = signal.Signals(-code).name
            memory = f"; where the system killed it because memory ran out: {less_memory(job)}"
            what = f"process {int(rank) + 1} of {job['processes']} was ended by {name}"
            return Failure("lost_process", what, again + (memory if code == -signal.SIGKILL else ""))
    if failures:
        what = f"the processes of the training lost each other: {failures[0]['message']}"
        return Failure("lost_process", what, again)
    return Failure("lost_process", "the processes of the training ended without a word", again)


def lost(error: BaseException) -> bool:
    """Whether an error says no more than that another process is gone."""
    text = f"{type(error).__name__}: {error}".lower()
    return any(word in text for word in ("distbackenderror", "gloo", "nccl", "connection closed", "connection reset"))


# The launcher


def launch(processes: int, request: str, said: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_parent, daemon=True).start()
    import torch
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    import worker

    job = worker.read_job(request)
    try:
        require_gpus(job, torch.cuda.device_count())
    except BadInput as error:
        leave(said, "launcher", error, job)
        sys.exit(1)
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="127.0.0.1:0",
        local_addr="127.0.0.1",
        max_restarts=0,  # what to do about a failure is for the program to decide
        signals_to_handle="SIGTERM",
        shutdown_timeout=SHUTDOWN_SECONDS,
    )
    try:
        elastic_launch(config, sys.executable)(__file__, "rank", request, str(said))
    except ChildFailedError as error:
        codes = {str(rank): failure.exitcode for rank, failure in error.failures.items()}
        (said / "ended.json").write_text(json.dumps(codes))
        sys.exit(1)


def require_gpus(job: dict[str, Any], found: int) -> None:
    """Two processes on one GPU would only be in each other's way, and NCCL refuses them."""
    if job["device"] != "cpu" and 0 < found < job["processes"]:
        raise BadInput(
            f"{job['processes']} processes need a GPU each, and this machine shows {found}",
            f"set compute.workers to {found} or less",
        )


def end_with_parent() -> None:
    os.read(0, 1)
    os._exit(1)


# A rank


def rank(request: str, said: Path) -> None:
    import worker

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    protocol = worker.Protocol(worker.take_stdout())
    threading.Thread(target=end_with_parent, daemon=True).start()
    job = None
    try:
        job = worker.read_job(request)
        import distributed
        import train

        result = train.train(job, protocol.emit)
        distributed.leave()
        if distributed.first():
            protocol.emit("done", result=result)
    except Exception as error:
        leave(said, os.environ["RANK"], error, job)
        os._exit(1)  # libraries that wait for the other ranks at the end would wait in vain


if __name__ == "__main__":
    if sys.argv[1] == "launch":
        launch(int(sys.argv[2]), sys.argv[3], Path(sys.argv[4]))
    else:
        rank(sys.argv[2], Path(sys.argv[3]))
