"""A small manifest, folders that vanish, a loopback server and stand-ins for pip, npm and the converters."""

import contextlib
import functools
import hashlib
import http.server
import io
import json
import tarfile
import tempfile
import threading
import unittest
import zipfile
from pathlib import Path

from manifest import Manifest
from report import SetupError
from workshop import Workshop

NETWORK = b"the bytes of a network " * 100
PRODUCT = b"the converted network " * 100


def digest(data):
    return hashlib.sha256(data).hexdigest()


def table(header, sources, data, **fields):
    """A [[model]] or [artifact.ID] table as TOML."""

    def pairs(values):
        return [f"{key} = {json.dumps(value)}" for key, value in values.items()]

    inline = ", ".join("{ " + ", ".join(pairs(source)) + " }" for source in sources)
    return "\n".join([header, *pairs({"sha256": digest(data), **fields}), f"sources = [{inline}]", ""])


def model(id, sources, data=PRODUCT, need="required", **fields):
    fields = {"id": id, "title": id, "file": id, "need": need, "size": len(data), "licence": "MIT", **fields}
    return table("[[model]]", sources, data, **fields)


def artifact(id, sources, data=NETWORK):
    return table(f"[artifact.{id}]", sources, data, file=id)


def zipped(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return buffer.getvalue()


def tarred(**members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            file.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


class Tools:
    """Stands in for the programs: pip and npm bring `package`, the converter writes `product`."""

    def __init__(self, package=NETWORK, product=PRODUCT):
        self.package, self.product, self.calls = package, product, []

    def pip(self, *arguments, task):
        self.calls.append(task)
        folder = Path(arguments[arguments.index("-d") + 1])
        (folder / "package.whl").write_bytes(self.package)

    def npm(self, *_arguments, task, cwd):
        self.calls.append(task)
        (cwd / "package.tgz").write_bytes(self.package)

    def convert(self, converter, inputs, output):
        self.calls.append(converter)
        assert all(path.read_bytes() == NETWORK for path in inputs)
        output.write_bytes(self.product)


class Case(unittest.TestCase):
    def setUp(self):
        self.root = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.folder, self.cache, self.mirror = (self.root / name for name in ("models", "cache", "mirror"))
        self.mirror.mkdir()
        self.said = io.StringIO()
        self.enterContext(contextlib.redirect_stdout(self.said))

    def workshop(self, *tables, tools=None):
        return Workshop(Manifest.parse("\n".join(tables)), self.folder, self.cache, self.mirror, tools or Tools())

    def install(self, workshop):
        """Installs every model of the workshop's manifest."""
        with workshop.opened():
            for entry in workshop.manifest.models.values():
                workshop.install(entry)

    def refused(self, workshop):
        """The text of the error that installing ends with."""
        with self.assertRaises(SetupError) as context:
            self.install(workshop)
        return str(context.exception)

    def assert_nothing_left(self):
        """No model, and nothing temporary anywhere."""
        self.assertEqual(list(self.folder.iterdir()), [])
        left = [path for path in self.cache.rglob("*") if path.name.startswith(".set-up-")]
        self.assertEqual(left, [])

    def served(self, handler):
        """Address of a loopback server that lives until the test ends."""
        server = self.enterContext(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler))
        threading.Thread(target=functools.partial(server.serve_forever, 0.05), daemon=True).start()
        self.addCleanup(server.shutdown)
        return f"http://127.0.0.1:{server.server_port}/network"


def answering(data, announced=None, status=200):
    """A request handler that sends `data` after announcing `announced` bytes."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.send_header("Content-Length", str(len(data) if announced is None else announced))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_arguments):
            pass

    return Handler
