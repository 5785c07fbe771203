"""Tests of the driver beside a stand-in for Ray, of which it asks no more than to call functions.

What Ray Train does with workers is tested on a real cluster (make test-ray).
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import sys
import tempfile
import time
import types
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from jobs import BadInput  # noqa: E402


class Actor:
    """Calls the methods of what it stands for at once."""

    def __init__(self, real: Any) -> None:
        self.real = real

    def __getattr__(self, name: str) -> Any:
        return types.SimpleNamespace(remote=getattr(self.real, name))


def stand_in(logs: Path) -> dict[str, Any]:
    """The modules of Ray that the driver imports."""
    names = ["ray", "ray._private", "ray._private.state", "ray._private.worker", "ray.exceptions", "ray.train"]
    names += ["ray.train.torch", "ray.train.v2", "ray.train.v2._internal", "ray.train.v2._internal.exceptions"]
    names += ["ray.train.v2._internal.execution", "ray.train.v2._internal.execution.callback"]
    names += ["ray.util", "ray.util.scheduling_strategies"]
    modules: dict[str, Any] = {name: types.ModuleType(name) for name in names}
    for name in names[1:]:
        parent, _, own = name.rpartition(".")
        setattr(modules[parent], own, modules[name])
    ray = modules["ray"]
    ray.get = lambda value: value
    ray.init = lambda **_: None
    context = types.SimpleNamespace(get_node_id=lambda: "n1", get_job_id=lambda: "02000000")
    ray.get_runtime_context = lambda: context
    ray.remote = lambda **_: lambda made: types.SimpleNamespace(remote=lambda *args: Actor(made(*args)))
    ray.exceptions.RayActorError = type("RayActorError", (Exception,), {})
    ray.exceptions.OutOfMemoryError = type("OutOfMemoryError", (Exception,), {})
    ray.train.UserCallback = ray.train.v2._internal.execution.callback.ControllerCallback = object
    ray.train.v2._internal.exceptions.WorkerGroupStartupFailedError = type("StartupFailed", (Exception,), {})
    ray.train.get_context = lambda: types.SimpleNamespace(get_world_rank=lambda: 0)
    ray.train.torch.TorchConfig = ray.train.torch.TorchTrainer = object
    ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy = lambda *_, **__: None
    node = types.SimpleNamespace(get_logs_dir_path=lambda: str(logs), session_name="session_a")
    ray._private.worker.global_worker = types.SimpleNamespace(node=node)
    ray._private.state.jobs = lambda: [{"JobID": "01000000", "IsDead": True}, {"JobID": "02000000", "IsDead": False}]
    return modules


JOB: dict[str, Any] = {"kind": "train", "batch_size": 4, "max_length": 512}


class Driver(unittest.TestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.root = Path(temporary.name)
        (self.root / "logs").mkdir()
        (self.root / "shared").mkdir()
        self.modules = stand_in(self.root / "logs")
        self.train = types.SimpleNamespace(Trainer=object)
        self.patch(mock.patch.dict(sys.modules, self.modules | {"train": self.train}))
        sys.modules.pop("ray_driver", None)
        self.driver: Any = importlib.import_module("ray_driver")
        self.addCleanup(sys.modules.pop, "ray_driver", None)
        self.patch(mock.patch.dict(os.environ, {"BBJTUNE_SUBMISSION": "bbjtune-x-stage1-2", "BBJTUNE_CLIENT": "c"}))
        self.patch(mock.patch.object(self.driver, "check_job", lambda job: job))
        self.patch(mock.patch.object(self.driver, "waiting_for_room", lambda: False))
        self.patch(mock.patch.object(self.driver.time, "sleep", lambda _, real=time.sleep: real(0.01)))

    def patch(self, patch: Any) -> None:
        patch.start()
        self.addCleanup(patch.stop)

    def runs(self, train: Callable[..., Any], starts: int = 1, lose: Callable[[Any], None] | None = None) -> Any:
        """Runs a job of one worker, which trains by that function; Ray Train starts it so often."""
        self.train.train = train

        def trainer(spec: dict[str, Any], events: Any, token: str) -> Any:
            def fit() -> None:
                for _ in range(starts):
                    try:
                        self.driver.loop({"job": spec["job"], "events": events, "token": token})
                        break
                    except Exception as error:
                        gone = lose(events) if lose else None
                        self.driver.Watch(events).after_exception(None, {0: gone or error})

            return types.SimpleNamespace(fit=fit)

        spec = self.root / "spec.json"
        storage = str(self.root / "shared")
        spec.write_text(json.dumps({"storage": storage, "name": "x", "workers": 1, "resources": {}, "job": JOB}))
        self.log = io.StringIO()
        with (
            mock.patch.object(self.driver, "SPEC", spec),
            mock.patch.object(self.driver, "trainer", trainer),
            contextlib.redirect_stderr(self.log),
        ):
            try:
                self.driver.main()
                self.status: Any = 0
            except SystemExit as ended:
                self.status = ended.code
        text = (self.root / "logs/bbjtune/bbjtune-x-stage1-2/events.jsonl").read_text()
        self.events = [json.loads(line) for line in text.splitlines()]
        return self.events[-1]


class Telling(Driver):
    def test_a_defect_is_told_with_its_last_line_and_its_traceback_is_in_the_log(self) -> None:
        def train(job: Any, emit: Any) -> Any:
            raise KeyError("no such row")

        last = self.runs(train, starts=5)
        self.assertEqual((self.status, last["event"], last["kind"]), (1, "failed", "lost_process"))
        self.assertIn("3 times in a row", last["message"])
        self.assertIn("worker 0 failed: KeyError: 'no such row'", last["message"])
        warnings = [event["message"] for event in self.events if event["event"] == "log"]
        self.assertEqual(warnings, ["worker 0 failed: KeyError: 'no such row'; the workers are started once more"] * 2)
        self.assertIn("Traceback (most recent call last)", self.log.getvalue())
        self.assertIn("raise KeyError", self.log.getvalue())

    def test_what_is_the_users_to_mend_ends_the_job_at_once(self) -> None:
        cases: dict[str, tuple[Exception, str, bool]] = {
            "bad_input": (BadInput("row 7 of train.jsonl has no text", "mend it"), "row 7 of train.jsonl", False),
            "out_of_memory": (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "memory", True),
            "missing_package": (ModuleNotFoundError("No module named 'peft'", name="peft"), "peft", True),
        }
        for kind, (error, said, traced) in cases.items():
            with self.subTest(kind):

                def train(job: Any, emit: Any, error: Exception = error) -> Any:
                    raise error

                last = self.runs(train)
                self.assertEqual((self.status, last["kind"]), (1, kind))
                self.assertIn(said, last["message"])
                self.assertTrue(last["hint"])
                self.assertEqual("Traceback" in self.log.getvalue(), traced)

    def test_a_long_traceback_is_cut(self) -> None:
        def train(job: Any, emit: Any) -> Any:
            raise ValueError("x" * 1_000_000)

        last = self.runs(train, starts=3)
        self.assertLess(len(last["message"]), 1000)
        self.assertLess(len(self.log.getvalue()), 4 * self.driver.TRACE_LENGTH)

    def test_the_first_cause_is_told(self) -> None:
        """Worker 1 has the defect; the others lose their connection to it."""

        def train(job: Any, emit: Any) -> Any:
            raise RuntimeError("gloo: Connection closed by peer")

        def lose(events: Any) -> None:
            failure = {"kind": "internal", "message": "KeyError: 'seven'", "hint": ""}
            events.trouble.remote(1, failure, False, "Traceback of worker 1")

        last = self.runs(train, starts=3, lose=lose)
        self.assertIn("worker 1 failed: KeyError: 'seven'", last["message"])
        self.assertEqual(self.log.getvalue().count("Traceback"), 3)

    def test_what_ends_with_the_others_is_no_cause(self) -> None:
        events = self.driver.Events(str(self.root / "events.jsonl"))
        self.addCleanup(events.file.close)
        defect = {"kind": "internal", "message": "ValueError: no process group", "hint": ""}
        events.lost(1, "KeyError")
        events.trouble(0, defect, False, "")  # while Ray Train ends what is left
        events.started()
        events.lost(1, "KeyError")
        self.assertEqual(events.look()["why"], "worker 1 failed: KeyError")

    def test_a_worker_that_dies_while_it_starts_is_told(self) -> None:
        events = self.driver.Events(str(self.root / "events.jsonl"))
        self.addCleanup(events.file.close)
        startup = self.driver.WorkerGroupStartupFailedError("it did not start")
        startup.__cause__ = self.modules["ray"].exceptions.RayActorError("the actor died")
        state = types.SimpleNamespace(training_failed_error=types.SimpleNamespace(controller_failure=startup))
        births = self.driver.Births(Actor(events))
        births.after_controller_state_update(None, state)
        births.after_controller_state_update(None, types.SimpleNamespace())
        found = events.look()
        self.assertEqual(
            (found["failures"], found["why"]), (1, "a worker that was starting was lost: its process died")
        )

    def test_memory_that_ends_a_worker_is_told_as_such(self) -> None:
        def train(job: Any, emit: Any) -> Any:
            raise RuntimeError("Connection reset by peer")

        last = self.runs(train, starts=3, lose=lambda _: self.modules["ray"].exceptions.OutOfMemoryError())
        self.assertIn("worker 0 was lost: it took more memory than its node has", last["message"])
        self.assertIn("lower batch_size from 4", last["hint"])

    def test_the_end_of_who_leads_the_workers_is_told(self) -> None:
        def train(job: Any, emit: Any) -> Any:
            raise RuntimeError("Connection reset by peer")

        def lose(_: Any) -> None:
            raise self.modules["ray"].exceptions.OutOfMemoryError()

        last = self.runs(train, lose=lose)
        self.assertEqual(
            last["message"], "the process that leads the workers was lost: it took more memory than its node has"
        )

    def test_a_step_between_makes_them_accidents(self) -> None:
        tries = iter(range(6))

        def train(job: Any, emit: Any) -> Any:
            emit("step", step=1)
            if next(tries) < 5:
                raise RuntimeError("Connection reset by peer")
            return {"steps": 1}

        last = self.runs(train, starts=6)
        self.assertEqual((self.status, last["event"], last["result"]), (0, "done", {"steps": 1}))


class Storage(Driver):
    def writer(self) -> dict[str, str]:
        return json.loads((self.root / "shared/runs/x/writer.json").read_text())

    def test_the_output_is_the_jobs_while_it_runs(self) -> None:
        found = {}

        def train(job: Any, emit: Any) -> Any:
            found.update(self.writer())
            return {}

        (self.root / "shared/.files-17").mkdir()
        os.utime(self.root / "shared/.files-17", (0, 0))
        self.assertEqual(self.runs(train)["event"], "done")
        expected = {"job": "bbjtune-x-stage1-2", "attempt": "2", "client": "c", "cluster": "session_a"}
        self.assertEqual(found | expected, found)
        self.assertEqual((found["driver"], found["state"], self.writer()["state"]), ("02000000", "alive", "ended"))
        self.assertFalse((self.root / "shared/.files-17").exists())
        self.assertIn("removed .files-17", self.events[0]["message"])

    def test_a_job_that_lost_its_place_ends(self) -> None:
        def train(job: Any, emit: Any) -> Any:
            path = self.root / "shared/runs/x/writer.json"
            other = path.with_name("other")
            other.write_text(json.dumps(self.writer() | {"token": "another"}))
            other.replace(path)
            return {}

        last = self.runs(train)
        self.assertEqual((self.status, last["event"], last["kind"]), (1, "failed", "bad_input"))
        self.assertIn("another job has taken over", last["message"])
        self.assertEqual(self.writer()["token"], "another")
        self.assertEqual(self.writer()["state"], "alive")

    def test_ray_is_asked_of_jobs_of_its_own_alone(self) -> None:
        over = self.driver.over
        self.assertTrue(over({"cluster": "session_a", "driver": "01000000"}))
        self.assertFalse(over({"cluster": "session_a", "driver": "02000000"}))
        self.assertFalse(over({"cluster": "session_a", "driver": "03000000"}))
        self.assertFalse(over({"cluster": "session_b", "driver": "01000000"}))
        self.assertFalse(over({}))

    def test_folders_of_others_are_refused(self) -> None:
        (self.root / "logs/bbjtune").symlink_to(self.root / "shared")
        with self.assertRaises(SystemExit) as ended:
            self.driver.log_folder()
        self.assertIn("bbjtune is a link", str(ended.exception))
        (self.root / "logs/bbjtune").unlink()
        with mock.patch.object(self.driver.tempfile, "gettempdir", lambda: str(self.root)):
            (self.root / f"bbjtune-{os.getuid()}").symlink_to(self.root / "shared")
            with self.assertRaises(BadInput) as refused:
                self.driver.output_folder({"storage": "", "name": "x"})
        self.assertIn("is a link", refused.exception.message)


if __name__ == "__main__":
    unittest.main()
