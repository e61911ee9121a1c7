"""The programs that the set-up runs: pip and the converters in a virtual environment of their own, and npm."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from report import SetupError, step

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "requirements.txt"
PIP_OPTIONS = ["--disable-pip-version-check", "--no-input"]


class Tools:
    """The virtual environment lies in the cache and is made when it is first needed."""

    def __init__(self, cache: Path):
        pins = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
        version = "".join(str(part) for part in sys.version_info[:2])
        self.environment = cache / f"python{version}-{pins}"
        self.python = self.environment / "bin" / "python"

    def pip(self, *arguments, task):
        self._once("environment", self._make_environment)
        with step(task):
            run([self.python, "-m", "pip", *PIP_OPTIONS, *arguments], "pip")

    def convert(self, converter, inputs, output):
        """Runs one module of `converters`; see there."""
        self._once("environment", self._make_environment)
        self._once("packages", self._install_packages)
        name = f"converters/{converter}.py"
        with step(f"converting with {name}"):
            run([self.python, "-m", "converters", converter, output, *inputs], name, cwd=HERE)

    def npm(self, *arguments, task, cwd):
        npm = shutil.which("npm")
        if npm is None:
            raise SetupError("the program npm is not there", "install the Debian package npm (`make setup` does)")
        with step(task):
            run([npm, *arguments], "npm", cwd=cwd)

    def _once(self, name, make):
        """Does a part of the environment unless a mark says that it was finished before."""
        mark = self.environment / f".{name}-complete"
        if not mark.exists():
            make()
            mark.touch()

    def _make_environment(self):
        with step("making a Python environment for the set-up"):
            shutil.rmtree(self.environment, ignore_errors=True)
            try:
                run([sys.executable, "-m", "venv", self.environment], "python3 -m venv")
            except SetupError as error:
                remedy = "install the Debian package python3-venv (`make setup` does)"
                raise SetupError(str(error), remedy) from error

    def _install_packages(self):
        self.pip(
            "install", "--only-binary", ":all:", "--require-hashes", "-r", REQUIREMENTS,
            task="installing the converters' packages",
        )  # fmt: skip


def run(command, name, cwd=None):
    """Runs a program silently; its last words are in the error when it fails."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("PYTHONPATH", None)
    try:
        done = subprocess.run(
            [str(part) for part in command], cwd=cwd, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
        )  # fmt: skip
    except OSError as error:
        raise SetupError(f"{name} cannot be started: {error}") from error
    if done.returncode != 0:
        lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
        errors = [line for line in lines if "error" in line.lower() and "Retrying" not in line]
        telling = errors or lines or ["it said nothing"]
        raise SetupError(f"{name} failed ({done.returncode}): {' | '.join(telling[-3:])}")
