"""Tests of trainings that several processes share. Started with a job list by torchrun, it is one of the processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest
import unittest.mock
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import torch  # noqa: E402
from torch.distributed.tensor import DTensor  # noqa: E402

import distributed  # noqa: E402
import ranks  # noqa: E402
import train  # noqa: E402
from jobs import BadInput, check_job  # noqa: E402
from test_worker import Fixture  # noqa: E402

STEPS = 8  # of every job
EXACT = ("step", "epoch", "tokens", "eval_tokens")


def silent(*_: Any, **__: Any) -> None:
    pass


def be_a_rank(jobs: Path) -> None:
    """Trains the jobs of a list together with the other ranks, and says of each how its weights lay."""
    if distributed.rank():
        sys.stdout = sys.stderr
    torch.set_num_threads(1)
    real = train.Trainer.run
    laid_out = {}

    def run(trainer: train.Trainer, checkpoint: Path | None) -> None:
        weights = [weight for weight in trainer.model.parameters() if isinstance(weight, DTensor)]
        laid_out[trainer.job["output"]] = [any(w.requires_grad for w in weights), len(weights)]
        real(trainer, checkpoint)

    train.Trainer.run = run  # type: ignore[assignment,method-assign]
    for job in json.loads(jobs.read_text()):
        train.train(check_job(job), silent)
    distributed.leave()
    print(json.dumps(laid_out))


class Sharing(unittest.TestCase):
    """The same losses as one process, whoever trains; all in one start of torchrun, which takes seconds."""

    def setUp(self) -> None:
        self.fixture = Fixture()
        self.addCleanup(self.fixture.temporary.cleanup)
        self.root = self.fixture.root

    def test_losses_are_those_of_one_process(self) -> None:
        how = {"gradient_accumulation": 4, "max_steps": STEPS, "epochs": STEPS, "eval_steps": 2, "save_steps": 2}
        how |= {"save_total_limit": STEPS, "resume": True}
        # 24 rows in batches of 4 are a step and a half: the end of an epoch has a batch for each, or for one alone.
        chats = self.fixture.stage2(self.root / "chats", None, batch_size=4, **how)
        odd = self.fixture.stage2(self.root / "odd", None, batch_size=5, neftune_alpha=5, sample_prompts=2, **how)
        packed = self.fixture.stage1(self.root / "packed", batch_size=1, early_stopping_patience=1, **how)
        whole = {job["output"]: job for job in (chats, odd, packed)}
        for job in whole.values():
            train.train(check_job(job), silent)
        shared = [job | {"output": job["output"] + "-shared"} for job in whole.values()]
        laid_out = chats | {"output": chats["output"] + "-fsdp", "sharding": "fsdp", "sample_prompts": 1}
        resumed = packed | {"output": packed["output"] + "-resumed"}
        self.copy_until(4, packed, resumed)
        # What one began whole, several go on with laid out: a checkpoint does not know how the weights lay.
        laid_out_later = laid_out | {"output": chats["output"] + "-fsdp-resumed"}
        self.copy_until(4, chats, laid_out_later)
        said = self.torchrun([*shared, laid_out, resumed, laid_out_later])
        for job in whole.values():
            self.same(job, job | {"output": job["output"] + "-shared"})
        self.same(chats, laid_out)
        self.same(chats, laid_out_later)
        self.same(packed, resumed)
        self.assertEqual(said[shared[0]["output"]], [False, 0])
        trained, frozen = said[laid_out["output"]]
        self.assertFalse(trained)
        self.assertGreater(frozen, 20)  # the matrices and norms of both layers

        # What several began, one ends.
        alone = odd | {"output": odd["output"] + "-alone"}
        self.copy_until(4, shared[1], alone)
        train.train(check_job(alone), silent)
        self.same(odd, alone)

    def copy_until(self, step: int, job: dict[str, Any], into: dict[str, Any]) -> None:
        for folder in train.checkpoints(Path(job["output"])):
            if int(folder.name.rpartition("-")[2]) <= step:
                shutil.copytree(folder, Path(into["output"]) / folder.name)

    def torchrun(self, jobs: list[dict[str, Any]]) -> dict[str, Any]:
        path = self.root / "jobs.json"
        path.write_text(json.dumps(jobs))
        start = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", __file__, str(path)]
        env = os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
        done = subprocess.run([sys.executable, *start], env=env, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr[-4000:])
        return json.loads(done.stdout)

    def same(self, one: dict[str, Any], other: dict[str, Any]) -> None:
        """Every figure of the log, and the samples."""
        logs = [self.log(job) for job in (one, other)]
        self.assertEqual(len(logs[0]), len(logs[1]), other["output"])
        for left, right in zip(*logs, strict=True):
            self.assertEqual({k: left.get(k) for k in EXACT}, {k: right.get(k) for k in EXACT}, other["output"])
            for key, value in left.items():
                self.assertAlmostEqual(value, right[key], delta=1e-5, msg=f"{other['output']}: {key} of {left}")
        last = train.checkpoints(Path(one["output"]))[-1].name
        if one.get("sample_prompts", 0):
            texts = [(Path(job["output"]) / last / "samples.json").read_text() for job in (one, other)]
            self.assertEqual(*texts)

    def log(self, job: dict[str, Any]) -> list[dict[str, Any]]:
        text = (Path(job["output"]) / "training_log.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]


class Dealing(unittest.TestCase):
    def test_every_batch_has_one_process(self) -> None:
        for rows, size, processes in ((24, 4, 2), (23, 4, 3), (5, 2, 4), (1, 4, 2)):
            whole = list(train.Deal(range(rows), size))
            self.assertEqual([row for batch in whole for row in batch], list(range(rows)))
            dealt = [list(train.Deal(range(rows), size, rank, processes)) for rank in range(processes)]
            self.assertEqual({len(batches) for batches in dealt}, {len(train.Deal(range(rows), size, 0, processes))})
            turns = [batch for turn in zip(*dealt, strict=True) for batch in turn]
            self.assertEqual(turns[: len(whole)], whole)
            self.assertEqual([row for batch in turns[len(whole) :] for row in batch], [])

    def test_uneven_shares_are_refused(self) -> None:
        job = {"gradient_accumulation": 8, "sharding": "none"}
        with unittest.mock.patch.dict(os.environ, {"WORLD_SIZE": "3"}):
            with self.assertRaises(BadInput) as caught:
                train.require_shares(job)
            self.assertEqual(caught.exception.message, "3 processes cannot share the 8 batches of a step evenly")
            self.assertIn("set gradient_accumulation to 9", caught.exception.hint)
        with self.assertRaisesRegex(BadInput, "needs several processes"):
            train.require_shares(job | {"sharding": "fsdp"})


# In the place of train.py: it does what the job's model is called, so that no library has to be loaded.
STAND_IN = """
import os, signal, time

def train(job, emit):
    rank = os.environ["RANK"]
    with open(job["output"], "a") as file:
        file.write(f"{os.getpid()}\\n")
    if rank == "0":
        emit("step", step=1, text="é" * 70_000)
    what = job["base_model"]
    if what == "fine":
        return {"size": os.environ["WORLD_SIZE"], "threads": os.environ["OMP_NUM_THREADS"]}
    if rank == "1" and what == "memory":
        raise MemoryError
    if rank == "1" and what == "killed":
        time.sleep(1)
        os.kill(os.getpid(), signal.SIGKILL)
    if rank == "0" and what in ("memory", "killed"):
        time.sleep(1.5)
        raise RuntimeError("[gloo/transport/tcp/pair.cc:553] Connection closed by peer")
    time.sleep(600)
"""

DRIVER = """
import json, sys
import ranks
from jobs import Failed
from worker import read_job

def emit(event, **named):
    print(event, len(named["text"]), flush=True)

try:
    result = ranks.run(sys.argv[1], read_job(sys.argv[1]), emit)
    print(json.dumps(result))
except Failed as error:
    print(error.failure)
"""


@unittest.skipIf(sys.platform == "win32", "torchrun is not for Windows")
class Ranks(unittest.TestCase):
    """How processes start, fail and end, with a stand-in for what they do."""

    def setUp(self) -> None:
        self.temporary = tempfile.TemporaryDirectory(prefix="ranks-test-")
        self.addCleanup(self.temporary.cleanup)
        self.root = Path(self.temporary.name)
        for name in ("ranks.py", "worker.py", "jobs.py"):
            shutil.copyfile(HERE / name, self.root / name)
        (self.root / "distributed.py").write_text(
            "import os\n\ndef first(): return os.environ['RANK'] == '0'\ndef leave(): pass\n"
        )
        (self.root / "train.py").write_text(STAND_IN)
        (self.root / "driver.py").write_text(textwrap.dedent(DRIVER))

    def start(self, what: str) -> subprocess.Popen[str]:
        fixture = Fixture.__new__(Fixture)
        fixture.model = Path(what)
        fixture.chat = fixture.valid_chat = fixture.text = fixture.valid_text = "rows"
        job = fixture.stage2(self.root / "pids", None, processes=2, batch_size=4) | {"base_model": what}
        (self.root / "job.json").write_text(json.dumps(job))
        request = json.dumps({"job": str(self.root / "job.json")})
        driver = [sys.executable, str(self.root / "driver.py"), request]
        return subprocess.Popen(driver, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def said(self, what: str) -> str:
        driver = self.start(what)
        said, _ = driver.communicate(timeout=300)
        self.all_gone()
        return said

    def pids(self) -> list[int]:
        path = self.root / "pids"
        return [int(line) for line in path.read_text().split()] if path.exists() else []

    def all_gone(self) -> None:
        self.assertEqual(len(self.pids()), 2)
        deadline = time.monotonic() + 60
        while any(running(pid) for pid in self.pids()):
            self.assertLess(time.monotonic(), deadline, "a rank has outlived the others")
            time.sleep(0.05)

    def test_events_and_result(self) -> None:
        step, result = self.said("fine").splitlines()
        self.assertEqual(step, "step 70000")
        self.assertEqual(json.loads(result), {"size": "2", "threads": "1"})

    def test_out_of_memory_is_told_once_and_as_such(self) -> None:
        said = self.said("memory")
        self.assertIn("kind='out_of_memory', message='the memory does not suffice'", said)
        self.assertIn("lower batch_size from 4", said)

    def test_a_killed_rank(self) -> None:
        said = self.said("killed")
        self.assertIn("kind='lost_process', message='process 2 of 2 was ended by SIGKILL'", said)
        self.assertIn("goes on from the newest complete checkpoint", said)

    def test_each_has_a_gpu_of_its_own(self) -> None:
        job = {"device": "auto", "processes": 4}
        for device, found in (("auto", 0), ("auto", 4), ("cpu", 1), ("cuda", 8)):
            ranks.require_gpus(job | {"device": device}, found)
        with self.assertRaisesRegex(BadInput, "4 processes need a GPU each, and this machine shows 2"):
            ranks.require_gpus(job, 2)

    def test_nobody_outlives_the_parent(self) -> None:
        driver = self.start("endless")
        deadline = time.monotonic() + 300
        while len(self.pids()) < 2:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)
        driver.send_signal(signal.SIGKILL)
        driver.communicate()
        self.all_gone()


def running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    be_a_rank(Path(sys.argv[1]))
