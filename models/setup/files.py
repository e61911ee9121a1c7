"""Files with a known SHA-256: checking them, and putting them in place so that no half-written one is ever seen."""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

# Prefix of every temporary name, so that what a killed run left can be told apart and removed.
TEMPORARY = ".set-up-"


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_right(path, item):
    """Whether the file exists and is the one that the manifest means. Size first: it costs nothing."""
    try:
        if item.size is not None and path.stat().st_size != item.size:
            return False
        return sha256(path) == item.sha256
    except OSError:
        return False


def place(source, target):
    """Copies a file to its place: whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with temporary(target.parent) as copy:
        shutil.copyfile(source, copy)
        _publish(copy, target)


def write(text, target):
    """Writes a text file: whole or not at all."""
    with temporary(target.parent) as copy:
        copy.write_text(text)
        _publish(copy, target)


def _publish(copy, target):
    with open(copy, "rb") as file:
        os.fsync(file.fileno())
    copy.chmod(0o644)
    os.replace(copy, target)


class temporary:
    """A temporary file name in a folder; whatever lies there at the end is removed."""

    def __init__(self, folder):
        handle, name = tempfile.mkstemp(prefix=TEMPORARY, dir=folder)
        os.close(handle)
        self.path = Path(name)

    def __enter__(self):
        return self.path

    def __exit__(self, *_error):
        self.path.unlink(missing_ok=True)


def remove_leftovers(folder):
    """Removes what a run that was killed left in the folder."""
    for path in folder.glob(f"{TEMPORARY}*"):
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
