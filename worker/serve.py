"""Serves a GGUF file over an OpenAI-compatible API with llama.cpp's own server, until stdin closes.

Prints one line on stdout, {"event": "ready", "url": "http://127.0.0.1:PORT/v1"}, once requests are answered, or
{"event": "failed", "kind": ..., "message": ...}. llama.cpp's log goes to stderr.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn, TextIO


def main() -> None:
    args = parse_args()
    protocol = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    os.dup2(2, 1)  # llama.cpp logs from C++: only descriptor 1 keeps it out of the protocol
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent closes stdin
    if not args.model.is_file():
        fail(protocol, "bad_input", f"no such model file: {args.model}")
    # Read when the library is loaded: threads that spin long for one another stand still once others use the cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    try:
        from xllamacpp import CommonParams, Server
    except ImportError:
        fail(protocol, "missing_package", "the python package xllamacpp is missing")

    params = CommonParams()
    params.model.path = str(args.model)
    params.model_alias = {args.alias or args.model.stem}
    params.hostnames = [args.host]
    params.port = args.port  # 0: the system chooses a free one
    params.n_parallel = args.parallel
    params.n_ctx = args.ctx * args.parallel  # llama.cpp divides it among the slots
    params.cache_prompt = True  # a suite's prompts share their beginning
    params.use_jinja = True  # the chat template inside the GGUF file, as trained
    params.ui = False
    threads = args.threads or os.cpu_count() or 1
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    # Flash attention, cache types and GPU layers stay at llama.cpp's automatic choice for the device at hand.
    try:
        server = Server(params)  # returns once the model is loaded and the port is open
    except Exception as error:
        fail(protocol, "bad_input", f"llama.cpp could not serve {args.model.name}: {error}")
    print(json.dumps({"event": "ready", "url": server.listening_address + "/v1"}), file=protocol, flush=True)
    while sys.stdin.buffer.read(4096):
        pass
    os._exit(0)  # without waiting for requests under way: the parent is gone


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="GGUF file")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--alias", help="model name in the API (default: the file's name)")
    parser.add_argument("--ctx", type=int, default=4096, help="context of each request, in tokens")
    parser.add_argument("--parallel", type=int, default=4, help="requests answered at the same time")
    parser.add_argument("--threads", type=int, default=0, help="0: all")
    return parser.parse_args()


def fail(protocol: TextIO, kind: str, message: str) -> NoReturn:
    print(json.dumps({"event": "failed", "kind": kind, "message": message}), file=protocol, flush=True)
    os._exit(1)


if __name__ == "__main__":
    main()
