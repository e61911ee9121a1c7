"""Obtains the files of the manifest: cache first, then the sources in order; every file is verified before use."""

import fcntl
import json
import tempfile
from contextlib import contextmanager
from pathlib import Path

import files
import sources
from report import NotThereError, SetupError, say
from tools import Tools

ORIGINS = "origins.json"


class Workshop:
    """One run of the set-up. Nothing is made on disk before something has to be obtained."""

    def __init__(self, manifest, folder: Path, cache: Path, mirror: Path | None = None, tools=None):
        self.manifest, self.folder, self.cache, self.mirror = manifest, folder, cache, mirror
        self.tools = tools or Tools(cache)
        self._artifacts, self._unobtainable = {}, set()

    def is_present(self, model):
        return files.is_right(self.folder / model.file, model)

    @contextmanager
    def opened(self):
        """Makes the folders, waits for another set-up that uses the same cache, and removes what a killed one left."""
        self.cache.mkdir(parents=True, exist_ok=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.cache / "lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("waiting for another set-up to finish ...")
                fcntl.flock(lock, fcntl.LOCK_EX)
            for folder in (self.cache, self.cache / "artifacts", self.folder):
                files.remove_leftovers(folder)
            yield self

    def install(self, model):
        """Brings a model into the models folder."""
        with tempfile.TemporaryDirectory(prefix=files.TEMPORARY, dir=self.cache) as work:
            path, origin = self._obtain(model, Path(work))
            files.place(path, self.folder / model.file)
        self._note_origin(model, origin)
        return origin

    def artifact(self, id):
        """Path in the cache and origin of an artifact, fetched when it is not there. Tried once in a run."""
        if id in self._unobtainable:
            raise SetupError(f"{self.manifest.artifacts[id].file} could not be had, as told above")
        if id not in self._artifacts:
            try:
                self._artifacts[id] = self._cached(self.manifest.artifacts[id])
            except SetupError:
                self._unobtainable.add(id)
                raise
        return self._artifacts[id]

    def _cached(self, item):
        path = self.cache / "artifacts" / f"{item.sha256[:12]}-{item.file}"
        note = path.with_name(f"{path.name}.origin")
        if not files.is_right(path, item):
            with tempfile.TemporaryDirectory(prefix=files.TEMPORARY, dir=self.cache) as work:
                source, origin = self._obtain(item, Path(work))
                files.place(source, path)
            files.write(origin, note)
        return path, note.read_text() if note.exists() else item.file

    def _obtain(self, item, work):
        """The first source that brings the right file."""
        failures = []
        for number, source in enumerate(item.sources):
            folder = work / str(number)
            folder.mkdir()
            try:
                path, origin = sources.TYPES[source["type"]](self, source, folder)
                actual = files.sha256(path)
                if actual == item.sha256:
                    for failure in failures:
                        if not isinstance(failure[1], NotThereError):
                            say(f"  not used:{describe(failure)}")
                    return path, origin
                remedy = "the file was changed or damaged; if the publisher replaced it, manifest.toml must follow"
                raise SetupError(f"the SHA-256 of {item.file} is {actual} and must be {item.sha256}", remedy)
            except SetupError as error:
                failures.append((source, error))
        raise SetupError(f"{item.file} could not be had" + "".join(map(describe, failures)))

    def _note_origin(self, model, origin):
        path = self.folder / ORIGINS
        try:
            known = json.loads(path.read_text())
        except (OSError, ValueError):
            known = {}
        known = {id: text for id, text in known.items() if id in self.manifest.models}
        files.write(json.dumps({**known, model.id: origin}, indent=2, sort_keys=True) + "\n", path)


def describe(failure):
    """One source that failed, indented below what it should have brought."""
    source, error = failure
    name = next(source[key] for key in ("package", "url", "path", "converter", "file") if key in source)
    text = f"\n  {source['type']} {name}: {error}".replace("\n", "\n  ")
    return f"{text}\n      remedy: {error.remedy}" if error.remedy else text
