"""What a job on a Ray cluster has of the storage: that it alone writes its output, and what killed ones left there.

Each output folder holds writer.json: which job writes there, and a count that goes up as long as it lives.

- A job that finds another one alive there does not start. Whether it lives is seen by its count, over a while: no clock
  is compared with another machine's. Where Ray knows that it has ended there is nothing to wait for.
- A job takes over from an earlier attempt of the same run folder without waiting: who submitted both has given that up.
- Of two that take over at the same time the last one has it.
- A job that finds another one's name there stops before it writes the next checkpoint, however long it was held up.

It knows nothing of Ray: what that has to say is asked of a function.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import stat
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jobs import BadInput

NAME = "writer.json"
BEAT_SECONDS = 2.0
# A storage that is slow for a moment must not look like a writer that is gone.
STALE_SECONDS = 20.0
# How long one that took over waits for another that did so at the same time.
SETTLE_SECONDS = 1.0
LOOK_SECONDS = 0.5

Owner = dict[str, str]


class Writer:
    """The right to write an output, from its begin to its end as a context. lost says that another job has it now."""

    def __init__(self, output: Path, owner: Owner, over: Callable[[Owner], bool], say: Callable[[str], None]) -> None:
        self.output = output
        self.path = output / NAME
        self.token = uuid.uuid4().hex
        self.owner = owner | {"token": self.token}
        self.over, self.say = over, say
        self.count = 0
        self.lost = False
        self.ended = threading.Event()

    def __enter__(self) -> Writer:
        while not (self.create() or self.take_over()):
            pass
        self.thread = threading.Thread(target=self.live, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.ended.set()
        self.thread.join(BEAT_SECONDS)
        with contextlib.suppress(OSError):  # then it is seen to be gone by its count
            self.write("ended")
        # Held up by the storage, it would write into whatever is opened next under that number.
        if not self.thread.is_alive():
            os.close(self.file)

    def create(self) -> bool:
        try:
            self.file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            return False
        self.write("alive")
        return True

    def write(self, state: str) -> None:
        """Each time as long as before, and into the file that is held open: never into one that took its place."""
        self.count += 1
        text = json.dumps(self.owner | {"state": state, "count": f"{self.count:012d}"}) + "\n"
        os.pwrite(self.file, text.encode(), 0)
        os.fsync(self.file)

    def take_over(self) -> bool:
        """Takes the place of a writer that is gone. Returns false where it is to be looked at anew."""
        found = self.gone()
        partial = self.path.with_name(f"{NAME}.{self.token}")
        self.file = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            self.write("alive")
            taken = found is not None and content(self.path) == found
            if taken:
                partial.replace(self.path)
                time.sleep(SETTLE_SECONDS)
                taken = holds(self.output, self.token)
        finally:
            partial.unlink(missing_ok=True)
        if not taken:
            os.close(self.file)
        return taken

    def gone(self) -> bytes | None:
        """What the writer left that is gone, or None where nothing is there any more. BadInput where it lives."""
        first = found = content(self.path)
        since, told = time.monotonic(), False
        while found is not None:
            owner = parse(found)
            if self.may_follow(owner):
                return found
            if found != first:
                raise BadInput(
                    f"{who(owner)} is training into {self.output}, and two would spoil each other's checkpoints",
                    "follow or cancel that one where it was started (bbjtune runs attach, bbjtune runs cancel), "
                    "or give this cluster another compute.storage",
                )
            if time.monotonic() - since > STALE_SECONDS:
                return found
            if not told and time.monotonic() - since > BEAT_SECONDS + LOOK_SECONDS:
                self.say(f"{who(owner)} has left {self.output} without a word; waiting to see whether it still writes")
                told = True
            looked = time.monotonic()
            time.sleep(LOOK_SECONDS)
            found = content(self.path)
            if time.monotonic() - looked > STALE_SECONDS / 2:  # the storage was away: its writer could not write either
                since = time.monotonic()
        return None

    def may_follow(self, owner: Owner) -> bool:
        return owner.get("state") == "ended" or self.earlier(owner) or self.over(owner)

    def earlier(self, owner: Owner) -> bool:
        """Whether that is what the same run folder had submitted before."""
        client, attempt = owner.get("client", ""), owner.get("attempt", "")
        same = client != "" and client == self.owner["client"]
        return same and attempt.isdecimal() and int(attempt) <= int(self.owner["attempt"])

    def live(self) -> None:
        while not self.ended.wait(BEAT_SECONDS):
            # Where the storage is away for a while, nobody else can write there either.
            with contextlib.suppress(OSError):
                if not holds(self.output, self.token):
                    self.lost = True
                    return
                self.write("alive")


def content(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(4096)  # more than any record has
    except FileNotFoundError:
        return None


def parse(text: bytes | None) -> Owner:
    try:
        found = json.loads(text or b"")
    except (ValueError, RecursionError):
        return {}
    return {key: value for key, value in found.items() if isinstance(value, str)} if isinstance(found, dict) else {}


def who(owner: Owner) -> str:
    job, cluster = (clean(owner.get(key, "")) for key in ("job", "cluster"))
    return (f"job {job}" if job else "another job") + (f" of the Ray {cluster}" if cluster else "")


def clean(text: str) -> str:
    """What a file of others says, fit for a message."""
    return "".join(c for c in text if c.isprintable())[:120]


def holds(output: Path, token: str) -> bool:
    """Whether the one with that token may write. A file that is gone does not say that another one may."""
    for _ in range(5):
        text = content(output / NAME)
        found = parse(text)
        if text is None:
            return True
        if found:  # else it was read while it was written
            return found.get("token") == token and found.get("state") == "alive"
        time.sleep(0.1)
    return False


def require(output: Path, token: str) -> None:
    if not holds(output, token):
        raise taken_over(output)


def taken_over(output: Path) -> BadInput:
    return BadInput(
        f"another job has taken over {output}, and this one writes nothing there any more",
        "follow the other one; the same command goes on from the newest complete checkpoint when it has ended",
    )


def guard(train: Any, output: Path, token: str) -> None:
    """Has the module's trainer save no checkpoint once another job writes there."""

    class Guarded(train.Trainer):  # type: ignore[misc,name-defined]
        def _save_checkpoint(self, model: Any, trial: Any) -> None:
            require(output, token)
            super()._save_checkpoint(model, trial)

    train.Trainer = Guarded


# A folder below one that others may write to, too.


def own_folder(path: Path) -> Path:
    """Makes a folder that is ours alone, or takes the one that is there if it is."""
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    found = path.lstat()
    wrong = ""
    if not stat.S_ISDIR(found.st_mode):
        wrong = "is no folder" if not stat.S_ISLNK(found.st_mode) else "is a link"
    elif found.st_uid != os.geteuid():
        wrong = "belongs to another user"
    elif found.st_mode & 0o022:
        wrong = "may be written to by others"
    if wrong:
        raise BadInput(
            f"{path} {wrong}, so what lies there is not to be trusted",
            "look on that node who made it and what for, and remove it",
        )
    if stat.S_IMODE(found.st_mode) != 0o700:
        path.chmod(0o700)
    return path


# What was killed while it copied to the storage, or while it probed it.

LEFT = re.compile(r"\.files-[0-9]+|\.bbjtune-probe-[a-z2-7]{26}(-client|-test|-[0-9]+(-look)?)?")
# Nothing that is at work leaves what it writes alone for so long.
LEFT_SECONDS = 24 * 3600.0


def remove_leftovers(storage: Path, now: float) -> list[str]:
    """Removes them where nothing was written for a day before now, by the storage's own clock. Returns their names."""
    removed = []
    for path in sorted(storage.iterdir()):
        if not LEFT.fullmatch(path.name) or now - newest(path) < LEFT_SECONDS:
            continue
        with contextlib.suppress(OSError):  # another one's, or just removed by another job
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
            removed.append(path.name)
    return removed


def newest(path: Path) -> float:
    """When anything of it was written last; the end of time where that cannot be said."""
    try:
        found = path.lstat()
        times = [found.st_mtime]
        for folder, folders, files in os.walk(path, onerror=unreadable) if stat.S_ISDIR(found.st_mode) else ():
            times += [(Path(folder) / name).lstat().st_mtime for name in folders + files]
    except OSError:
        return float("inf")
    return max(times)


def unreadable(error: OSError) -> None:
    raise error
