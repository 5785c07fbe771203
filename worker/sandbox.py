"""Runs one program that a model wrote, in this process, after giving away whatever it does not need.

Reads {"program", "word", "cpu_seconds", "memory_bytes"} on stdin, writes ready on stdout before the program runs, and
the word when the program came to its end. Exits with 77, and runs nothing, where the process cannot be shut off. It
stands alone: python -I -S.
"""

import ctypes
import json
import os
import sys

CLONE_NEWNET = 0x40000000
CLONE_NEWUSER = 0x10000000
CANNOT = 77


def refuse(why: str) -> None:
    print(why, file=sys.stderr)
    sys.exit(CANNOT)


def cut_network() -> None:
    """A network of its own, in which there is nothing. With a user of its own it needs no privilege."""
    if not sys.platform.startswith("linux"):
        refuse("only Linux can cut a process off from the network")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) and libc.unshare(CLONE_NEWNET):
        refuse(f"unshare: {os.strerror(ctypes.get_errno())}")


def set_limits(cpu_seconds: int, memory_bytes: int) -> None:
    import resource

    for what, value in (
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, 1 << 20),
        (resource.RLIMIT_NOFILE, 16),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (value, value))


def main() -> None:
    request = json.loads(sys.stdin.buffer.read())
    cut_network()
    set_limits(request["cpu_seconds"], request["memory_bytes"])
    answer = os.dup(1)
    os.write(answer, b"ready\n")
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    exec(compile(request["program"], "program", "exec"), {"__name__": "__main__"})
    os.write(answer, request["word"].encode())
    os._exit(0)


main()
