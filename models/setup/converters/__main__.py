"""Runs one converter: python -m converters NAME OUTPUT INPUT..."""

import importlib
import sys
from pathlib import Path

name, output, *inputs = sys.argv[1:]
convert = importlib.import_module(f"converters.{name}").convert
Path(output).write_bytes(convert([Path(path).read_bytes() for path in inputs]))
