import argparse
import hashlib
import shutil
from pathlib import Path


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def changed(source, target):
    return not target.exists() or digest(source) != digest(target)


def backup(source, target):
    copied = 0
    for path in sorted(source.rglob("*")):
        if not path.is_file():
            continue
        destination = target / path.relative_to(source)
        if changed(path, destination):
            destination.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, destination)
            copied += 1
    return copied


def main():
    parser = argparse.ArgumentParser(description="Copies the files that have changed.")
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    print(backup(arguments.source, arguments.target), "files copied")


if __name__ == "__main__":
    main()
