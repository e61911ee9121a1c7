"""models/manifest.toml as the set-up reads it. The service checks its form in full (models/src/manifest.rs)."""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Item:
    """A file with a known SHA-256: an artifact that is fetched on the way, or a model."""

    id: str
    file: str
    sha256: str
    sources: list
    title: str = ""
    need: str = "required"
    size: int | None = None
    licence: str = ""


@dataclass(frozen=True)
class Manifest:
    models: dict = field(default_factory=dict)
    artifacts: dict = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path):
        return cls.parse(path.read_text())

    @classmethod
    def parse(cls, text: str):
        data = tomllib.loads(text)
        known = Item.__dataclass_fields__
        models = (Item(**{key: entry[key] for key in entry if key in known}) for entry in data["model"])
        artifacts = {id: Item(id=id, **entry) for id, entry in data.get("artifact", {}).items()}
        return cls({model.id: model for model in models}, artifacts)
