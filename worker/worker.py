"""The training worker: reads requests on stdin, answers with events on stdout, one JSON object a line.

README.md describes the protocol. The program starts this process, sends {"job": "job.json"} and reads events until
done or failed; several jobs may follow one another, because importing the libraries takes longer than a small job.
"""

from __future__ import annotations

import json
import math
import os
import platform
import queue
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any, TextIO

from jobs import PROTOCOL, BadInput, Failed, check_job, classify

HEARTBEAT_SECONDS = 2.0
DISTRIBUTED = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


class Protocol:
    """The only writer of the protocol. Heartbeats come from another thread, hence the lock."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.lock = threading.Lock()

    def emit(self, event: str, **fields: Any) -> None:
        line = json.dumps(finite({"event": event, **fields}), ensure_ascii=False, allow_nan=False, default=str) + "\n"
        with self.lock:
            try:
                self.stream.write(line)
                self.stream.flush()
            except OSError:
                os._exit(1)  # nobody reads any more


def finite(value: Any) -> Any:
    """The value without NaN and infinity, which JSON does not have, at any depth."""
    if isinstance(value, dict):
        return {key: finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def take_stdout() -> TextIO:
    """Keeps the real stdout for the protocol and points descriptor 1 at stderr, so no library can write into it."""
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return stream


def heartbeat(protocol: Protocol) -> None:
    stopped = threading.Event()
    while not stopped.wait(HEARTBEAT_SECONDS):
        protocol.emit("heartbeat")


def read_requests(requests: queue.Queue[str]) -> None:
    """End of stdin means that the parent is gone. Leaving at once is safe: only complete checkpoints count."""
    for line in sys.stdin.buffer:
        if line.strip():
            requests.put(line.decode("utf-8", "replace"))
    os._exit(0)


def prepare_libraries() -> None:
    """What the libraries read when they are loaded."""
    # Threads that spin while they wait for one another come to a standstill when other processes use the cores.
    # A short spin keeps most of the speed on idle ones.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    os.environ.update(
        {
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "DO_NOT_TRACK": "1",
            "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
            "TOKENIZERS_PARALLELISM": "false",
        }
    )


def read_job(request: str) -> dict[str, Any]:
    try:
        path = Path(json.loads(request)["job"])
    except (ValueError, KeyError, TypeError):
        raise BadInput("a request is one line of JSON with the key job") from None
    try:
        job = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(f"no such job file: {path}") from None
    except ValueError:
        raise BadInput(f"the job file {path} is not JSON") from None
    return check_job(job)


def run(request: str, protocol: Protocol) -> None:
    """Runs one job. Whatever happens, the last event is done or failed."""
    job = None
    try:
        job = read_job(request)
        protocol.emit("started", kind=job["kind"])
        # Imported here, because it takes seconds: hello and heartbeats come first.
        if job.get("engine") == "unsloth":
            import unsloth_engine

            unsloth_engine.load_first()
        if job["kind"] == "train" and job["processes"]:
            import ranks

            result = ranks.run(request, job, protocol.emit)
        elif job["kind"] in ("train", "inspect"):
            import train

            result = train.train(job, protocol.emit) if job["kind"] == "train" else train.inspect(job, protocol.emit)
        elif job["kind"] == "count":
            import models

            result = models.count(job)
        elif job["kind"] == "quantize":
            from quantize import quantize

            result = quantize(job, protocol.emit)
        elif job["kind"] in ("graft", "check_graft"):
            import graft

            result = getattr(graft, job["kind"])(job, protocol.emit)
        elif job["kind"] in ("generate", "perplexity"):
            import generate

            result = getattr(generate, job["kind"])(job, protocol.emit)
        else:
            import models

            models.report_environment(protocol.emit, "cpu", job["dtype"])
            result = models.import_base(job, protocol.emit) if job["kind"] == "import_base" else models.merge(job)
        protocol.emit("done", result=result)
    except Exception as error:
        failure = classify(error, job)
        if failure.kind != "bad_input" and not isinstance(error, Failed):
            traceback.print_exc(file=sys.stderr)
        protocol.emit("failed", kind=failure.kind, message=failure.message, hint=failure.hint)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides what it means
    protocol = Protocol(take_stdout())
    protocol.emit("hello", protocol=PROTOCOL, python=platform.python_version(), platform=platform.platform())
    requests: queue.Queue[str] = queue.Queue()
    threading.Thread(target=heartbeat, args=(protocol,), daemon=True).start()
    threading.Thread(target=read_requests, args=(requests,), daemon=True).start()
    prepare_libraries()
    for name in DISTRIBUTED:
        os.environ.pop(name, None)  # this process trains alone, whatever a scheduler has put there
    while True:
        run(requests.get(), protocol)


if __name__ == "__main__":
    main()
