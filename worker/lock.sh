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
# Ray comes beside either list, with the versions that they have.
lock ray --constraint requirements-gpu.txt "$@"
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

# requirements-ray.txt is installed on top of one of the two lists: what they hold already is left out.
awk '
    FNR == NR { if (match($0, /^[a-zA-Z0-9._-]+==/)) have[substr($0, 1, RLENGTH)] = 1; next }
    /^[a-zA-Z0-9]/ { match($0, /^[a-zA-Z0-9._-]+==/); skip = substr($0, 1, RLENGTH) in have }
    !skip
' requirements-gpu.txt requirements-ray.txt >requirements-ray.txt.partial
mv requirements-ray.txt.partial requirements-ray.txt
