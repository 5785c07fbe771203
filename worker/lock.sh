#!/bin/sh
# Writes the requirements-*.txt with hashes from the requirements-*.in. Needs uv on the PATH, or its path in UV.
#
# --universal: one file for Linux, macOS and Windows and for every Python from 3.11 on, by markers.
# --no-emit-index-url, --no-header: no file names the machine or the package index it was made with.
# Versions move only when an .in file asks for it; `./lock.sh --upgrade` takes the newest that the .in files allow.
set -eu
cd "$(dirname "$0")"
uv=${UV:-uv}

lock() { # lock NAME [option...]
    name=$1
    shift
    "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
        "requirements-$name.in" -o "requirements-$name.txt" "$@"
}

lock gpu "$@"
# CPU and GPU take the same versions of everything they share.
lock cpu --constraint requirements-gpu.txt "$@"
# Unsloth holds its libraries back: an environment of its own, with versions of its own.
lock unsloth "$@"
lock uv "$@"
lock demo-base --no-deps "$@"
lock humaneval --no-deps "$@"
lock quantize --no-deps "$@"
lock dev "$@"

# torch imports on a CPU machine without these GPU libraries (1.5 GB less on disk). What is left no longer satisfies
# torch's own metadata, so requirements-cpu.txt is installed with --no-deps; it lists everything that is needed.
awk '
    /^[a-zA-Z0-9]/ { skip = $0 ~ /^(triton|nvidia-cusolver|nvidia-nvjitlink|nvidia-nvtx|nvidia-cuda-cccl|cuda-bindings)(==|-[a-z0-9]*==)/ }
    !skip
' requirements-cpu.txt >requirements-cpu.txt.partial
mv requirements-cpu.txt.partial requirements-cpu.txt
