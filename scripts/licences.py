#!/usr/bin/env python3
"""Prints what is inside vision-service and under which licence: licences.py MODELS-FOLDER

The Rust packages that are compiled in (as `cargo metadata` resolves them) with the texts that they carry, then the models of the
manifest whose files are in the folder.
"""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RULE = "-" * 100


def compiled_in():
    """Every package that ends up in the program or the plug-in, by name and version."""
    command = ["cargo", "metadata", "--format-version=1", "--locked", "--filter-platform=x86_64-unknown-linux-gnu"]
    metadata = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    found, waiting = set(), list(metadata["workspace_members"])
    while waiting:
        package = waiting.pop()
        if package in found:
            continue
        found.add(package)
        for dependency in nodes[package]["deps"]:
            # `null` is an ordinary dependency; "dev" and "build" are left out.
            if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                waiting.append(dependency["pkg"])
    ours = set(metadata["workspace_members"])
    packages = [package for package in metadata["packages"] if package["id"] in found - ours]
    return sorted(packages, key=lambda package: (package["name"], package["version"]))


def texts(folder):
    """The licence files of a package."""
    names = ("licen", "copying", "copyright", "notice", "unlicense")
    return sorted(path for path in folder.iterdir() if path.is_file() and path.name.lower().startswith(names))


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    packages = compiled_in()
    print(f"Rust packages in vision-service: {len(packages)}\n")
    for package in packages:
        print(RULE)
        print(package["name"], package["version"], package["license"] or "see below", package["repository"] or "")
        for path in texts(Path(package["manifest_path"]).parent):
            print(f"\n{path.name}:\n{path.read_text(errors='replace').strip()}")
        print()

    print(f"{RULE}\nModels\n")
    for model in tomllib.loads((ROOT / "models/manifest.toml").read_text())["model"]:
        if (Path(sys.argv[1]) / model["file"]).exists():
            print(f"{model['file']}: {model['title']}\n    {model['licence']}. {model.get('licence_note', '')}\n")


if __name__ == "__main__":
    main()
