"""Fills the models folder by models/manifest.toml: python3 models/setup [--check] [--only ID] [--with-optional ID]

Fetches what is missing or damaged, verifies it, converts it and puts it in place; says what it does. What is there
and right is left alone, so that a second run only hashes the files.
"""

import sys

if sys.version_info < (3, 11):
    sys.exit("the set-up of the models needs Python 3.11 or newer; this is " + sys.version.split()[0])

import argparse
import os
import signal
import time
from pathlib import Path

from manifest import Manifest
from report import SetupError, fail, say, size
from workshop import Workshop

MODELS = Path(__file__).resolve().parent.parent
MIRROR_BESIDE = MODELS.parent.parent / "shared" / "models"


def main(arguments):
    options = parse(arguments)
    manifest = Manifest.read(options.manifest)
    unknown = [id for id in options.only + options.with_optional if id not in manifest.models]
    if unknown:
        fail(f"no model `{unknown[0]}` in {options.manifest.name}; there are: {', '.join(manifest.models)}")
        return 2
    workshop = Workshop(manifest, options.folder, cache_folder(), mirror_folder())
    started = time.monotonic()
    wanted = [model for model in manifest.models.values() if is_wanted(model, options)]
    lacking = [model for model in wanted if not workshop.is_present(model)]
    for model in wanted:
        if model not in lacking:
            say(f"{model.id}: ok")
    failed = report_only(lacking, workshop) if options.check else install(lacking, workshop)
    say(f"{len(wanted) - len(failed)} of {len(wanted)} models in {options.folder} ({time.monotonic() - started:.1f} s)")
    if not options.only:
        tell_optional([model for model in manifest.models.values() if model not in wanted])
    # What somebody asks for by name is required by them.
    named = options.only + options.with_optional
    return 1 if any(model.need == "required" or model.id in named for model in failed) else 0


def parse(arguments):
    parser = argparse.ArgumentParser(prog="models/setup", description=__doc__.partition("\n\n")[2])
    add = parser.add_argument
    add("--check", action="store_true", help="verify only: fetch nothing")
    add("--only", metavar="ID", action="append", default=[], help="only this model; may be repeated")
    add("--with-optional", metavar="ID", action="append", default=[], help="this optional model as well")
    add("--folder", type=Path, default=MODELS / "files", help="where the files go (default: models/files)")
    add("--manifest", type=Path, default=MODELS / "manifest.toml", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def is_wanted(model, options):
    if options.only:
        return model.id in options.only
    return model.need != "optional" or model.id in options.with_optional


def install(models, workshop):
    """Installs the models and returns those that could not be had."""
    failed = []
    if models:
        with workshop.opened():
            for number, model in enumerate(models, 1):
                say(f"[{number}/{len(models)}] {model.id}: {model.title} ({size(model.size or 0)})")
                try:
                    say(f"  ok, from {workshop.install(model)}")
                except (SetupError, OSError) as error:
                    failed.append(model)
                    tell_failure(model, error)
    return failed


def tell_failure(model, error):
    if model.need == "recommended":
        fail(f"  note: the recommended model {model.id} is not there; the service works without it.")
    else:
        fail(f"  ERROR: the model {model.id} is {model.need} and could not be had.")
    fail("  " + str(error).replace("\n", "\n  "))


def report_only(models, workshop):
    for model in models:
        state = "damaged" if (workshop.folder / model.file).exists() else "missing"
        say(f"{model.id}: {state} ({model.need}); `make models` brings {model.file}")
    return models


def tell_optional(models):
    for model in models:
        say(f"not fetched: {model.id}, {model.licence}, only on request (`make models WITH={model.id}`)")


def cache_folder():
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "vision-service"


def mirror_folder():
    named = os.environ.get("VISION_MODEL_MIRROR")
    if named:
        return Path(named)
    return MIRROR_BESIDE if MIRROR_BESIDE.is_dir() else None


if __name__ == "__main__":
    # So that a polite kill cleans up like Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        fail("interrupted; nothing half-written is left")
        sys.exit(130)
