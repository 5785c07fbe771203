"""A train job on a Ray cluster: python ray_driver.py, the entry point of a submitted job.

The program packs this file, the worker's own files, the rows and spec.json into one package. Here Ray Train starts the
workers, each of which runs train.train() as the local worker does; what rank 0 tells goes into a file of numbered
events in the session's log folder, from where the program follows it over the cluster's address alone. A worker or a
node that dies is replaced by Ray Train, and the training goes on from the newest complete checkpoint.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import ray
import ray.train
from ray._private import state as ray_state
from ray._private.worker import global_worker
from ray.train.torch import TorchConfig, TorchTrainer
from ray.train.v2._internal.exceptions import WorkerGroupStartupFailedError
from ray.train.v2._internal.execution.callback import ControllerCallback
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

import ray_storage
from jobs import BadInput, Failure, check_job, classify, less_memory
from ranks import lost
from ray_storage import Owner, Writer, own_folder

SPEC = Path("spec.json")
# So often in a row may the workers fail without a step between: what fails each time is no accident.
FAILURES = 3
# How long the workers may take to start before the program is told what they wait for.
PATIENCE_SECONDS = 45.0
# What is said where the nodes that are up would not do: there were enough when the training was begun.
MISSING = "; nodes are missing: where the head was started again, ray start must be called on the others, too"
# How much of a worker's traceback goes into the job's log: its end says where.
TRACE_LENGTH = 20_000
# What the finished stage hands over. Checkpoints stay where they are: they only serve to resume.
HANDED_OVER = ("adapter", "training_config.json", "training_log.jsonl")


class Events:
    """The only writer of the events, an actor on the driver's node. Each event has a number, from 1."""

    def __init__(self, path: str) -> None:
        self.file = Path(path).open("w", encoding="utf-8", newline="\n")
        self.number = 0
        self.state: dict[str, Any] = {"started": 0, "failures": 0, "failure": None, "result": None}
        self.cause: tuple[int, str] | None = None  # of the failure that Ray Train is about to tell
        self.traces: list[str] = []

    def put(self, event: str, **fields: Any) -> None:
        from worker import finite

        self.number += 1
        line = finite({"n": self.number, "at": round(time.time(), 2), "event": event, **fields})
        self.file.write(json.dumps(line, ensure_ascii=False, allow_nan=False, default=str) + "\n")
        self.file.flush()
        if event == "step":
            self.state["failures"] = 0

    def started(self) -> None:
        self.state["started"] += 1
        self.cause = None  # what came since is of workers that were on their way out

    def trouble(self, rank: int, failure: dict[str, str], secondary: bool, trace: str) -> None:
        """What a worker itself says of its failure; secondary is that another one is gone."""
        if trace:
            self.traces.append(f"worker {rank} failed:\n{trace[-TRACE_LENGTH:]}")
        if failure["kind"] != "internal":
            self.state["failure"] = self.state["failure"] or failure
        elif not secondary and self.cause is None:
            self.cause = (rank, failure["message"])

    def lost(self, rank: int | None, why: str) -> None:
        """A worker died, or failed because another one did; rank is None where it had not begun."""
        if self.cause and rank is not None and why not in GONE:
            rank, why = self.cause
        self.cause = None
        who = "a worker that was starting" if rank is None else f"worker {rank}"
        said = f"{who} {'was lost' if why in GONE else 'failed'}: {why}"
        self.state["failures"] += 1
        self.state["why"], self.state["no_memory"] = said, why == GONE[2]
        if self.state["failures"] < FAILURES:
            self.put("log", level="warning", message=f"{said}; the workers are started once more")

    def finish(self, result: dict[str, Any]) -> None:
        self.state["result"] = result

    def look(self) -> dict[str, Any]:
        """How far it is, and the tracebacks that came since the last look."""
        traces, self.traces = self.traces, []
        return self.state | {"traces": traces}


class Watch(ray.train.UserCallback):
    """Tells of the workers that Ray Train lost."""

    def __init__(self, events: Any) -> None:
        self.events = events

    def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:
        # Where one is gone, the others fail in what they do together: the first cause is told.
        found = {rank: reason(error) for rank, error in sorted(worker_exceptions.items())}
        rank = next((rank for rank, why in found.items() if why in GONE), min(found))
        self.events.lost.remote(rank, found[rank])


class Births(ControllerCallback):
    """Tells of the workers that died before they had begun: Ray Train would start others for ever, without a word."""

    def __init__(self, events: Any) -> None:
        self.events = events

    def after_controller_state_update(self, previous_state: Any, current_state: Any) -> None:
        failed = getattr(getattr(current_state, "training_failed_error", None), "controller_failure", None)
        if isinstance(failed, WorkerGroupStartupFailedError):
            self.events.lost.remote(None, reason(failed.__cause__ or failed))


GONE = ("its node is gone", "its process died", "it took more memory than its node has")


def reason(error: Exception) -> str:
    """Why a worker failed, in a few words."""
    error = getattr(error, "health_check_failure", error)
    if isinstance(error, ray.exceptions.OutOfMemoryError):
        return GONE[2]
    if isinstance(error, ray.exceptions.RayActorError):
        return GONE[0] if "its node has died" in str(error) else GONE[1]
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip()[:300] if lines else type(error).__name__


def loop(config: dict[str, Any]) -> None:
    """What each worker does: the train job, of which rank 0 tells."""
    events, job = config["events"], config["job"]
    rank = ray.train.get_context().get_world_rank()
    if rank == 0:
        ray.get(events.started.remote())
    try:
        import train

        output, token = Path(job["output"]), config["token"]
        if rank == 0:
            ray_storage.require(output, token)
            ray_storage.guard(train, output, token)
        result = train.train(job, teller(events) if rank == 0 else silent)
        if rank == 0:
            ray_storage.require(output, token)
            ray.get(events.finish.remote(result))
    except Exception as error:
        failure = classify(error, job)
        # The death of another worker looks like a defect here; Ray Train starts them all again.
        secondary = failure.kind == "internal" and lost(error)
        trace = "" if secondary or failure.kind == "bad_input" else "".join(traceback.format_exception(error))
        ray.get(events.trouble.remote(rank, asdict(failure), secondary, trace))
        raise


def teller(events: Any) -> Callable[..., None]:
    def emit(event: str, **fields: Any) -> None:
        if event == "environment":
            fields |= {"python": platform.python_version(), "packages": fields["packages"] | {"ray": ray.__version__}}
        events.put.remote(event, **fields)

    return emit


def silent(event: str, **fields: Any) -> None:
    """Every worker knows the same; one tells."""


def main() -> None:
    spec = json.loads(SPEC.read_text(encoding="utf-8"))
    ray.init(log_to_driver=False)
    here = log_folder()
    node = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    events = ray.remote(num_cpus=0, scheduling_strategy=node)(Events).remote(str(here / "events.jsonl"))
    try:
        last = work(spec, events, here)
    except Exception as error:
        failure = classify(error)
        if failure.kind != "bad_input":
            traceback.print_exc()
        last = {"event": "failed"} | asdict(failure)
    ray.get(events.put.remote(**last))
    if last["event"] == "failed":
        sys.exit(1)


def log_folder() -> Path:
    """Where the events go, below the session's logs."""
    try:
        here = own_folder(Path(global_worker.node.get_logs_dir_path()) / "bbjtune") / os.environ["BBJTUNE_SUBMISSION"]
    except BadInput as error:  # nobody can be told but by the job's last words
        sys.exit(f"{error.message}; {error.hint}")
    here.mkdir(exist_ok=True)
    return here


def work(spec: dict[str, Any], events: Any, here: Path) -> dict[str, Any]:
    """Carries out the job, as the only one that writes its output. Returns its last event."""

    def say(message: str) -> None:
        events.put.remote("log", level="info", message=message)

    output = output_folder(spec)
    offer(output, here / "output")
    spec["job"] = check_job(spec["job"] | {"output": str(output)})
    with Writer(output, owner(), over, say) as writer:
        for name in ray_storage.remove_leftovers(root_folder(spec), os.fstat(writer.file).st_mtime):
            say(f"removed {name}, which something that was killed has left on the storage")
        failure = carry_out(spec, events, writer)
        if failure:
            return {"event": "failed"} | failure
        return {"event": "done", "result": look(events)["result"], "files": handed_over(output)}


def owner() -> Owner:
    """Who this job is to others that would write where it does."""
    submission = os.environ["BBJTUNE_SUBMISSION"]
    return {
        "job": submission,
        "attempt": submission.rpartition("-")[2],
        "client": os.environ.get("BBJTUNE_CLIENT", ""),
        "cluster": global_worker.node.session_name,
        "driver": ray.get_runtime_context().get_job_id(),
    }


def over(other: Owner) -> bool:
    """Whether Ray knows that another job of this cluster runs no more."""
    here = other.get("cluster") == global_worker.node.session_name
    return here and any(each["JobID"] == other.get("driver") and each["IsDead"] for each in ray_state.jobs())


def root_folder(spec: dict[str, Any]) -> Path:
    """The shared storage, or, where there is one node alone, a folder of that."""
    if spec["storage"]:
        return Path(spec["storage"])
    return own_folder(Path(tempfile.gettempdir()) / f"bbjtune-{os.getuid()}")


def output_folder(spec: dict[str, Any]) -> Path:
    """Where checkpoints and results go."""
    output = root_folder(spec) / "runs" / spec["name"]
    output.mkdir(parents=True, exist_ok=True)
    return output


def offer(output: Path, link: Path) -> None:
    """Shows the output in the session's log folder, whose files the cluster's address hands out."""
    link.unlink(missing_ok=True)
    link.symlink_to(output, target_is_directory=True)


def carry_out(spec: dict[str, Any], events: Any, writer: Writer) -> dict[str, str] | None:
    """Runs the job to its end. Returns the failure, if it ends in one."""
    ended: list[BaseException | None] = []

    def fit() -> None:
        try:
            trainer(spec, events, writer.token).fit()
            ended.append(None)
        except BaseException as error:
            ended.append(error)

    threading.Thread(target=fit, daemon=True).start()
    waiting = Waiting(spec, events)
    while not ended:
        time.sleep(0.5)
        if writer.lost:
            raise ray_storage.taken_over(writer.output)
        state = look(events)
        if state["failure"]:
            return state["failure"]
        if state["failures"] >= FAILURES:
            return asdict(again_and_again(state, spec["job"]))
        waiting.look(state)
    error = ended[0]
    state = look(events)
    if error is None and state["result"] is not None:
        return None
    if state["failure"] is None and state["failures"] >= FAILURES:
        return asdict(again_and_again(state, spec["job"]))
    if state["failure"] is None and error is not None:
        traceback.print_exception(error)
    said = reason(error) if isinstance(error, Exception) else "the workers ended without a result"
    if said in GONE:
        said = f"the process that leads the workers was lost: {said}"
    return state["failure"] or asdict(Failure("internal", said, ""))


def look(events: Any) -> dict[str, Any]:
    """How far it is. The tracebacks of the workers go into the job's log, which is what this process writes."""
    state = ray.get(events.look.remote())
    for trace in state["traces"]:
        print(trace, file=sys.stderr, flush=True)
    return state


def again_and_again(state: dict[str, Any], job: dict[str, Any]) -> Failure:
    said = f"the workers failed {FAILURES} times in a row without a step between; in the end {state['why']}"
    return Failure("lost_process", said, less_memory(job) if state["no_memory"] else "")


class Waiting:
    """Says so, once each time, where workers wait for resources that the cluster does not have free."""

    def __init__(self, spec: dict[str, Any], events: Any) -> None:
        self.spec, self.events = spec, events
        self.since = time.monotonic()
        self.attempt = (0, 0)
        self.told = False

    def look(self, state: dict[str, Any]) -> None:
        attempt = (state["started"], state["failures"])
        if attempt != self.attempt:
            self.attempt, self.since, self.told = attempt, time.monotonic(), False
        if self.told or not waiting_for_room():
            self.since = time.monotonic()
        if time.monotonic() - self.since < PATIENCE_SECONDS:
            return
        self.told = True
        asked, there, free = resources(self.spec), ray.cluster_resources(), ray.available_resources()
        each = " and ".join(f"{amount:g} {name}" for name, amount in sorted(asked.items()))
        has = ", ".join(f"{free.get(name, 0):g} {name} of {there.get(name, 0):g} free" for name in sorted(asked))
        missing = any(there.get(name, 0) < amount * self.spec["workers"] for name, amount in asked.items())
        self.events.put.remote(
            "log",
            level="warning",
            message=f"waiting for {self.spec['workers']} workers with {each} each; the cluster has {has}"
            + (MISSING if missing else ""),
        )


def waiting_for_room() -> bool:
    """Whether this job's workers have no place. The ID of a group ends with that of its job."""
    own = ray.get_runtime_context().get_job_id()
    groups = ray.util.placement_group_table().items()
    return any(name.endswith(own) and group["state"] == "PENDING" for name, group in groups)


def resources(spec: dict[str, Any]) -> dict[str, float]:
    return {"CPU": 1.0} | spec["resources"]


def trainer(spec: dict[str, Any], events: Any, token: str) -> TorchTrainer:
    return TorchTrainer(
        loop,
        train_loop_config={"job": spec["job"], "events": events, "token": token},
        torch_config=TorchConfig(timeout_s=spec.get("timeout_s", 1800)),
        scaling_config=ray.train.ScalingConfig(
            num_workers=spec["workers"],
            use_gpu=resources(spec).get("GPU", 0) > 0,
            resources_per_worker=resources(spec),
            placement_strategy=spec.get("placement", "PACK"),
        ),
        run_config=ray.train.RunConfig(
            name=f"{os.environ['BBJTUNE_SUBMISSION']}-{token[:8]}",  # another cluster may have a job of that name
            storage_path=str(Path(spec["job"]["output"]).parent / "ray"),
            # Counted here, where a step between two failures makes them two accidents.
            failure_config=ray.train.FailureConfig(max_failures=-1),
            callbacks=[Watch(events), Births(events)],
        ),
    )


def handed_over(output: Path) -> list[dict[str, Any]]:
    """The files of the finished stage: paths below the output, sizes and hashes."""
    files = [path for name in HANDED_OVER for path in [output / name, *sorted((output / name).rglob("*"))]]
    return [
        {"path": path.relative_to(output).as_posix(), "size": path.stat().st_size, "sha256": sha256(path)}
        for path in files
        if path.is_file()
    ]


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    main()
