"""One corpus of a large source tree, whose parts are made as jobs of a Ray cluster; needs Python 3.11 alone.

    python3 ray_corpus.py --address http://head:8265 --shards 4 --program /shared/bbjtune --runs /shared/runs \\
        /shared/erp -- --suite /shared/suite

Each part is a job that runs `bbjtune corpus build --shard i/n` with what stands behind --, and a last job merges them.
The program, the source and the folder for what is made lie where all nodes see them under the same absolute path; this
machine need not see them. Ctrl-C and a failure stop all jobs, and the same command goes on with the parts that are
there. Standard output is what the merge says, as JSON. Exit status: 0 fine, 2 could not run.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shlex
import signal
import sys
import threading
import time
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

# How long a request may take, and for how long a cluster that was there may be silent.
REQUEST_SECONDS, SILENCE_SECONDS = 8, 60
# How Ray's errors begin where the command is not to blame: no CPU was free for a quarter of an hour, or a node was
# lost. Such a job is submitted again, until so many times as many have been as there are commands.
SUPERVISOR, TIMES = "JOB_SUPERVISOR_ACTOR_", 8
SHARED = "program, source and --runs must lie where all nodes see them under the same path, and --runs be writable"
TOKEN = "set RAY_AUTH_TOKEN to the cluster's token; on the head it is in ~/.ray/auth_token"
DASHBOARD = "name the dashboard of the head, http://HEAD:8265; ray status there says whether it is up"


class Fault(Exception):
    """What went wrong, in a sentence, and what to do about it."""


def say(text: str) -> None:
    """Tells the user; foreign text moves no cursor."""
    print("".join(c for c in text if c.isprintable())[:500], file=sys.stderr, flush=True)


def find_token() -> str:
    """The token from where Ray reads it; "" for a cluster that is open to all."""
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
    token = (os.environ.get("RAY_AUTH_TOKEN") or (path.read_text("utf-8") if path.is_file() else "")).strip()
    if not all("!" <= c <= "~" for c in token):
        raise Fault("the token holds a character that no token has", TOKEN)
    return token


class Cluster:
    """The Jobs API of a cluster, and the jobs that this run has submitted to it."""

    def __init__(self, address: str, cpus: int) -> None:
        self.url, self.cpus, token = urlsplit(address if "://" in address else f"http://{address}"), cpus, find_token()
        self.headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        self.name, self.submitted, self.interrupted = f"corpus-{secrets.token_hex(4)}", 0, threading.Event()
        self.jobs: list[str] = []  # those that have not ended

    def call(self, method: str, path: str, body: Any = None, patience: float = 0) -> Any:
        """Asks; where nobody answers, again until patience ends. A redirection is no answer: it may be to elsewhere."""
        kind, deadline = HTTPSConnection if self.url.scheme == "https" else HTTPConnection, time.monotonic() + patience
        at = f"the Ray cluster at {self.url.netloc}"
        while True:
            try:
                wire = kind(self.url.netloc, timeout=REQUEST_SECONDS)
                wire.request(method, self.url.path.rstrip("/") + path, body and json.dumps(body), self.headers)
                answer = wire.getresponse()
                text = answer.read()
                if answer.status == 200:
                    return json.loads(text)
                if answer.status in (401, 403):
                    raise Fault(f"{at} does not accept the token", TOKEN)
                if answer.status == 404 and path.endswith("/stop"):
                    return None  # it never came to be
                fault = Fault(f"{at} answers {path} with status {answer.status}", DASHBOARD)
            except (OSError, HTTPException) as error:
                fault = Fault(f"{at} cannot be reached: {error}", DASHBOARD)
            except ValueError:
                fault = Fault(f"what answers at {self.url.netloc} is not Ray", DASHBOARD)
            if time.monotonic() >= deadline or self.interrupted.wait(1):
                raise fault

    def check(self) -> None:
        """Refuses what would wait for ever."""
        try:
            nodes = [node["raylet"] for node in self.call("GET", "/nodes?view=summary")["data"]["summary"]]
            most = max((n["resourcesTotal"].get("CPU", 0) for n in nodes if n["state"] == "ALIVE"), default=0)
        except (LookupError, TypeError, AttributeError):
            raise Fault(f"what answers at {self.url.netloc} is not Ray", DASHBOARD) from None
        if most < self.cpus:
            raise Fault(f"no node has {self.cpus} CPUs, the largest has {most:g}", "ask for fewer with --cpus")

    def submit(self, command: list[str]) -> str:
        self.submitted += 1
        job = f"{self.name}-{self.submitted}"
        self.jobs.append(job)  # before it is there: none must be missed when all are stopped
        run = {"entrypoint": shlex.join(command), "runtime_env": {"env_vars": {"GOMAXPROCS": str(self.cpus)}}}
        self.call("POST", "/api/jobs/", run | {"submission_id": job, "entrypoint_num_cpus": self.cpus})
        return job

    def run(self, work: dict[str, list[str]]) -> list[dict[str, Any]]:
        """Carries commands out side by side, and returns what each said, in no order."""
        waiting, said = {self.submit(command): what for what, command in work.items()}, list[dict[str, Any]]()
        while waiting:
            for job, what in list(waiting.items()):
                if self.interrupted.wait(1 / len(waiting)):
                    raise Fault("interrupted", "the same command goes on with the parts that are there")
                state = self.call("GET", f"/api/jobs/{job}", patience=SILENCE_SECONDS)
                if state["status"] in ("PENDING", "RUNNING"):
                    continue
                self.jobs.remove(job)
                del waiting[job]
                if str(state.get("error_type")).startswith(SUPERVISOR) and self.submitted < TIMES * len(work):
                    say(f"{what} is submitted again: {str(state.get('message')).splitlines()[0]}")
                    waiting[self.submit(work[what])] = what
                    continue
                log = self.call("GET", f"/api/jobs/{job}/logs", patience=SILENCE_SECONDS)["logs"]
                said.append(result(what, state, log))
                place = urlsplit(state.get("driver_agent_http_address") or "").hostname or "the cluster"
                say(f"✓ {what} on {place}, {len(said)} of {len(work)}")
        return said

    def stop(self) -> None:
        """Ends what still runs, the last first: none starts on the CPUs that another one leaves."""
        while self.jobs:
            self.call("POST", f"/api/jobs/{self.jobs.pop()}/stop")


def result(what: str, state: dict[str, Any], log: str) -> dict[str, Any]:
    """The JSON in a job's log, which holds both of its streams, and anywhere a line of Ray's."""
    lines = [line for line in log.strip().split("\n") if not line.startswith("Running entrypoint for job")]
    if state["status"] == "SUCCEEDED" and "{" in lines:
        found: dict[str, Any] = json.JSONDecoder().raw_decode("\n".join(lines[lines.index("{") :]))[0]
        return found
    told = {key: line.removeprefix(key) for line in lines for key in ("error: ", "hint: ") if line.startswith(key)}
    why = told.get("error: ") or (lines and state["status"] == "FAILED" and lines[-1]) or state.get("message")
    raise Fault(f"{what} {state['status'].lower()}: {why}", told.get("hint: ", SHARED))


def build(cluster: Cluster, options: argparse.Namespace, flags: list[str]) -> dict[str, Any]:
    cluster.check()
    start, end = [options.program, "--runs", options.runs, "corpus"], ["--output-format", "json"]
    command = [*start, "build", *options.source, *flags, *end, "--shard"]
    shards = [f"{i + 1}/{options.shards}" for i in range(options.shards)]
    parts = cluster.run({f"part {shard}": [*command, shard] for shard in shards})
    folders = [part["folder"] for part in sorted(parts, key=lambda part: part["shard"])]
    return cluster.run({"the merge": [*start, "merge", *folders, *end]})[0]


def main(arguments: list[str]) -> int:
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--address", required=True, help="the cluster's dashboard, http://HEAD:8265")
    parser.add_argument("--shards", required=True, type=int, help="how many parts")
    parser.add_argument("--program", required=True, help="bbjtune, as the nodes see it")
    parser.add_argument("--runs", required=True, help="the folder for what is made")
    parser.add_argument("--cpus", type=int, default=1, help="CPUs of each job (default 1)")
    parser.add_argument("source", nargs="+", metavar="DIR", help="source, as the nodes see it")
    options = parser.parse_args(arguments[:cut])
    if options.shards < 1 or options.cpus < 1:
        parser.error("there must be a part and a CPU at least")
    if not all(path.startswith("/") for path in (options.program, options.runs, *options.source)):
        parser.error("name --program, --runs and the source by absolute paths, as the nodes see them")
    try:
        cluster = Cluster(options.address, options.cpus)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: cluster.interrupted.set())
        try:
            print(json.dumps(build(cluster, options, arguments[cut + 1 :]), indent=2))
        finally:
            cluster.stop()
    except (Fault, OSError, ValueError) as error:
        say(f"error: {error.args[0] if isinstance(error, Fault) else error}")
        say(f"hint: {error.args[1] if isinstance(error, Fault) else 'see --help'}")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
