"""Tests of what a job on a cluster has of the storage. They need neither Ray nor torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import types
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import ray_storage  # noqa: E402
from jobs import BadInput  # noqa: E402
from ray_storage import NAME, Owner, Writer, holds, own_folder, remove_leftovers, require  # noqa: E402

# As the module has them, forty times as fast.
FAST = {"BEAT_SECONDS": 0.05, "STALE_SECONDS": 0.5, "SETTLE_SECONDS": 0.05, "LOOK_SECONDS": 0.02}


def owner(job: str = "bbjtune-x-stage1-1", **more: str) -> Owner:
    known = {"job": job, "attempt": job.rpartition("-")[2], "client": "", "cluster": "session_a", "driver": "01000000"}
    return known | more


def no(_: Any) -> bool:
    return False


class Folder(unittest.TestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.output = Path(temporary.name)
        self.said: list[str] = []
        for name, value in FAST.items():
            patch = mock.patch.object(ray_storage, name, value)
            patch.start()
            self.addCleanup(patch.stop)

    def writer(self, who: Owner, over: Any = no) -> Writer:
        return Writer(self.output, who, over, self.said.append)

    def left(self, **more: str) -> None:
        """What one leaves that is killed."""
        killed = owner("bbjtune-x-stage1-1", token="0", state="alive", count="000000000007") | more
        (self.output / NAME).write_text(json.dumps(killed))

    def content(self) -> Owner:
        return json.loads((self.output / NAME).read_text())


class Writing(Folder):
    def test_a_second_writer_is_refused(self) -> None:
        with self.writer(owner()) as first:
            time.sleep(4 * FAST["BEAT_SECONDS"])
            with self.assertRaises(BadInput) as refused, self.writer(owner(cluster="session_b")):
                self.fail("two write")
            self.assertTrue(holds(self.output, first.token))
            self.assertFalse(first.lost)
        self.assertIn("job bbjtune-x-stage1-1 of the Ray session_a is training into", refused.exception.message)
        self.assertIn("compute.storage", refused.exception.hint)

    def test_nobody_waits_for_one_that_ended(self) -> None:
        cases: dict[str, tuple[dict[str, str], Owner, Any]] = {
            "it says so": ({"state": "ended"}, owner("x-1"), no),
            "Ray says so": ({}, owner("x-1"), lambda other: other["driver"] == "01000000"),
            "an earlier attempt": ({"client": "c"}, owner("x-2", client="c"), no),
            "the same, on a head that is new": ({"client": "c"}, owner("x-1", client="c", cluster="session_b"), no),
        }
        for name, (killed, who, over) in cases.items():
            with self.subTest(name), mock.patch.object(ray_storage, "STALE_SECONDS", 60):
                self.left(**killed)
                begun = time.monotonic()
                with self.writer(who, over) as writer:
                    self.assertEqual(self.content()["token"], writer.token)
                self.assertLess(time.monotonic() - begun, 5)
                self.assertEqual(self.content()["state"], "ended")

    def test_a_killed_one_is_waited_for(self) -> None:
        cases: dict[str, tuple[dict[str, str], Owner]] = {
            "of another cluster": ({}, owner(cluster="session_b")),
            "a later attempt": ({"client": "c", "attempt": "3"}, owner("x-2", client="c")),
            "of no client": ({"client": ""}, owner("x-2", client="")),
            "a strange attempt": ({"client": "c", "attempt": "-1"}, owner("x-2", client="c")),
        }
        for name, (killed, who) in cases.items():
            with self.subTest(name):
                self.left(**killed)
                begun = time.monotonic()
                with self.writer(who) as writer:
                    self.assertEqual(self.content()["token"], writer.token)
                self.assertGreater(time.monotonic() - begun, FAST["STALE_SECONDS"])
                self.assertIn("waiting to see whether it still writes", self.said[-1])
        self.assertEqual([path.name for path in self.output.iterdir()], [NAME])

    def test_a_storage_that_was_away_makes_no_writer_stale(self) -> None:
        real = ray_storage.content
        for counts in (1, 3):  # at once when it is back, or a little later
            looks: list[int] = []

            def content(path: Path, counts: int = counts, looks: list[int] = looks) -> bytes | None:
                looks.append(1)
                if len(looks) == 2:
                    time.sleep(1.2 * FAST["STALE_SECONDS"])
                if len(looks) == 1 + counts:
                    self.left(count="000000000008")
                return real(path)

            self.left()
            with (
                self.subTest(counts),
                mock.patch.object(ray_storage, "content", content),
                self.assertRaises(BadInput),
                self.writer(owner(cluster="session_b")),
            ):
                self.fail("two write")

    def test_who_is_held_up_at_its_end_keeps_its_file(self) -> None:
        back = threading.Event()
        with mock.patch.object(ray_storage, "holds", lambda *_: back.wait(10)), self.writer(owner()) as writer:
            time.sleep(4 * FAST["BEAT_SECONDS"])
        os.fstat(writer.file)
        back.set()
        writer.thread.join()
        os.close(writer.file)

    def test_what_is_no_record_is_waited_for(self) -> None:
        for text in (b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"job": 1, "state": ["ended"]}', b"[" * 100_000):
            with self.subTest(text[:20]):
                (self.output / NAME).write_bytes(text)
                with self.writer(owner()) as writer:
                    self.assertTrue(holds(self.output, writer.token))

    def test_hostile_names_do_not_reach_the_terminal(self) -> None:
        with self.writer(owner("\x1b[2J\n" + "y" * 1000, cluster="\u202ereversed")):
            time.sleep(4 * FAST["BEAT_SECONDS"])
            with self.assertRaises(BadInput) as refused, self.writer(owner(cluster="session_b")):
                self.fail("two write")
        self.assertTrue(refused.exception.message.isprintable())
        self.assertLess(len(refused.exception.message), 500)

    def test_who_was_held_up_writes_nothing_more(self) -> None:
        with self.writer(owner("x-1", client="c")) as first:
            require(self.output, first.token)
            saved = self.save_with(first)
            with self.writer(owner("x-2", client="c")) as second:
                with self.assertRaises(BadInput) as stopped:
                    self.save_with(first)
                for _ in range(100):
                    if first.lost:
                        break
                    time.sleep(FAST["BEAT_SECONDS"])
                self.assertTrue(first.lost)
                first.write("alive")
                self.assertEqual(self.content()["token"], second.token)
            with self.assertRaises(BadInput):  # also after the other one's end
                require(self.output, first.token)
        self.assertEqual(saved, ["model"])
        self.assertIn("has taken over", stopped.exception.message)
        self.assertFalse(holds(self.output, first.token))

    def save_with(self, writer: Writer) -> list[str]:
        """Saves a checkpoint as the trainer does, and returns what was saved."""
        saved: list[str] = []

        class Trainer:
            def _save_checkpoint(self, model: Any, trial: Any) -> None:
                saved.append(model)

        train = types.SimpleNamespace(Trainer=Trainer)
        ray_storage.guard(train, self.output, writer.token)
        train.Trainer()._save_checkpoint("model", None)
        return saved

    def test_a_record_that_was_deleted_stops_nobody(self) -> None:
        with self.writer(owner()) as writer:
            (self.output / NAME).unlink()
            require(self.output, writer.token)
            time.sleep(4 * FAST["BEAT_SECONDS"])
            self.assertFalse(writer.lost)


CONTENDER = """
    import sys, time
    from pathlib import Path
    import ray_storage
    from jobs import BadInput
    for name, value in FAST.items():
        setattr(ray_storage, name, value)
    folder, me = Path(sys.argv[1]), sys.argv[2]
    owner = {"job": me, "attempt": "1", "client": me, "cluster": me, "driver": me}
    try:
        with ray_storage.Writer(folder, owner, lambda _: False, lambda _: None) as writer:
            print("in", flush=True)
            sys.stdin.read()
    except BadInput:
        print("refused", flush=True)
"""


class Processes(Folder):
    def start(self, name: str) -> subprocess.Popen[str]:
        # On a busy machine a process may not come to its turn for a while.
        fast = {key: value * 4 for key, value in FAST.items()}
        code = textwrap.dedent(CONTENDER).replace("FAST", repr(fast))
        pipe = subprocess.PIPE
        started = subprocess.Popen(
            [sys.executable, "-c", code, self.output, name], cwd=HERE, stdin=pipe, stdout=pipe, text=True
        )
        assert started.stdin and started.stdout
        self.addCleanup(started.stdout.close)
        self.addCleanup(started.stdin.close)
        self.addCleanup(started.wait)
        self.addCleanup(started.kill)
        return started

    def says(self, process: subprocess.Popen[str]) -> str:
        assert process.stdout
        return process.stdout.readline().strip()

    def test_one_of_many_gets_in(self) -> None:
        for killed in (False, True):
            with self.subTest(killed=killed):
                (self.output / NAME).unlink(missing_ok=True)
                if killed:
                    self.left()
                contenders = [self.start(f"job-{n}") for n in range(5)]
                self.assertEqual(sorted(map(self.says, contenders)), ["in"] + ["refused"] * 4)
                for each in contenders:
                    each.kill()
                    each.wait()
        self.assertEqual([path.name for path in self.output.iterdir()], [NAME])

    def test_the_next_one_gets_in_after_a_kill(self) -> None:
        first = self.start("first")
        self.assertEqual(self.says(first), "in")
        second = self.start("second")
        self.assertEqual(self.says(second), "refused")
        first.kill()
        first.wait()
        third = self.start("third")
        self.assertEqual(self.says(third), "in")


class Own(Folder):
    def test_a_folder_is_made_for_us_alone(self) -> None:
        path = self.output / "bbjtune-1"
        self.assertEqual(own_folder(path), path)
        self.assertEqual(path.stat().st_mode & 0o777, 0o700)
        path.chmod(0o755)
        own_folder(path)
        self.assertEqual(path.stat().st_mode & 0o777, 0o700)

    def test_what_others_have_made_is_refused(self) -> None:
        other = self.output / "other"
        other.mkdir()
        path = self.output / "bbjtune-1"

        def strange() -> None:
            path.mkdir()
            os.chown(path, os.geteuid() + 1, -1)

        def writable() -> None:
            path.mkdir()
            path.chmod(0o770)

        cases = {
            "is a link": lambda: path.symlink_to(other),
            "is no folder": path.touch,
            "may be written to by others": writable,
        }
        if os.geteuid() == 0:
            cases["belongs to another user"] = strange
        for said, make in cases.items():
            with self.subTest(said):
                make()
                with self.assertRaises(BadInput) as refused:
                    own_folder(path)
                self.assertIn(said, refused.exception.message)
                self.assertEqual(other.stat().st_mode & 0o700, 0o700)
                path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


class Leftovers(Folder):
    NONCE = "abcdefghijklmnopqrstuvwx23"

    def lay(self, name: str, age: float, *inside: str) -> None:
        """A file, or a folder with files below it, written so long before now."""
        path = self.output / name
        for each in inside:
            (path / each).parent.mkdir(parents=True, exist_ok=True)
            (path / each).write_text("x")
        if not inside:
            path.write_text("x")
        for written in [*sorted(path.rglob("*"), reverse=True), path]:
            os.utime(written, (self.now - age, self.now - age))

    def test_only_what_is_stale_and_ours_is_removed(self) -> None:
        self.now = 1e6  # the storage's clock is another one than ours
        day = ray_storage.LEFT_SECONDS
        stale = [".files-17", f".bbjtune-probe-{self.NONCE}", f".bbjtune-probe-{self.NONCE}-client"]
        stale += [f".bbjtune-probe-{self.NONCE}-0", f".bbjtune-probe-{self.NONCE}-12-look"]
        self.lay(".files-17", day + 1, "x/model.safetensors", "x/deep/.tmp-1")
        for name in stale[1:]:
            self.lay(name, day + 1)
        # Copied right now: the folder is old, and a file deep in it is being written.
        self.lay(".files-18", 10 * day, "x/old", "x/deep/part")
        os.utime(self.output / ".files-18/x/deep/part", (self.now, self.now))
        self.lay(f".bbjtune-probe-{self.NONCE}-test", day - 1)
        for name in ("files", ".files-", ".files-x", ".bbjtune-probe-short", "runs", f"my.bbjtune-probe-{self.NONCE}"):
            self.lay(name, 10 * day)
        (self.output / "precious").mkdir()
        (self.output / "precious/file").touch()
        (self.output / ".files-19").symlink_to(self.output / "precious", target_is_directory=True)
        os.utime(self.output / ".files-19", (0, 0), follow_symlinks=False)
        before = {path.name for path in self.output.iterdir()}
        self.assertEqual(remove_leftovers(self.output, self.now), sorted([*stale, ".files-19"]))
        self.assertEqual({path.name for path in self.output.iterdir()}, before - {*stale, ".files-19"})
        self.assertTrue((self.output / "precious/file").exists())


if __name__ == "__main__":
    unittest.main()
