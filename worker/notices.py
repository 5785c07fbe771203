"""Fetches what a model of the hub says of its licence, and nothing else: python notices.py OWNER/NAME FOLDER."""

from __future__ import annotations

import sys
from pathlib import Path

PATTERNS = ["LICEN[CS]E*", "COPYING*", "NOTICE*", "README.md"]


def fetch(name: str, folder: Path) -> None:
    from huggingface_hub import snapshot_download

    folder.mkdir(parents=True, exist_ok=True)
    snapshot_download(name, allow_patterns=PATTERNS, local_dir=folder)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python notices.py OWNER/NAME FOLDER")
    try:
        fetch(sys.argv[1], Path(sys.argv[2]))
    except Exception as error:  # whatever it is, the model is packed without it
        sys.exit(str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__)
