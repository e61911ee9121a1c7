"""What the set-up says, and what it says when it cannot go on."""

import sys
import threading
import time
from contextlib import contextmanager


class SetupError(Exception):
    """Something could not be had. The text names what was tried and, as `remedy`, what the reader can do."""

    def __init__(self, problem, remedy=""):
        super().__init__(problem)
        self.remedy = remedy


class NotThereError(SetupError):
    """A source that need not have the file does not have it: worth a word only when every other failed too."""


def say(text=""):
    print(text, flush=True)


def size(count):
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"


@contextmanager
def step(text, every=5.0):
    """Announces a step, says every few seconds that it still runs, and how long it took when that was worth it."""
    say(f"  {text} ...")
    start, finished = time.monotonic(), threading.Event()

    def beat():
        while not finished.wait(every):
            say(f"    still at it after {time.monotonic() - start:.0f} s")

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join()
    if time.monotonic() - start >= 1:
        say(f"    done in {time.monotonic() - start:.1f} s")


def fail(text):
    print(text, file=sys.stderr, flush=True)
