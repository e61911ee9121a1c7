"""The command as a person runs it: exit codes, what it says, and what a second run does."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from manifest import Manifest
from tests.support import PRODUCT, Case, answering, model

SETUP = Path(__file__).resolve().parent.parent
MIRROR = [{"type": "mirror", "file": "network"}]


class Command(Case):
    def setUp(self):
        super().setUp()
        self.environment = {
            **os.environ,
            "XDG_CACHE_HOME": str(self.cache),
            "VISION_MODEL_MIRROR": str(self.mirror),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        (self.mirror / "network").write_bytes(PRODUCT)

    def command(self, *tables):
        (self.root / "manifest.toml").write_text("\n".join(tables))
        return [sys.executable, SETUP, "--manifest", self.root / "manifest.toml", "--folder", self.folder]

    def run_command(self, *tables, options=()):
        command = [*self.command(*tables), *options]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60, check=False)

    def test_a_second_run_does_nothing_and_makes_nothing(self):
        first = self.run_command(model("network", MIRROR))
        self.assertEqual(first.returncode, 0, first.stderr)
        self.assertIn("1 of 1 models", first.stdout)
        before = (self.folder / "network").stat()
        self.environment["XDG_CACHE_HOME"] = str(self.root / "second-cache")
        second = self.run_command(model("network", MIRROR))
        self.assertEqual(second.returncode, 0)
        self.assertIn("network: ok", second.stdout)
        after = (self.folder / "network").stat()
        self.assertEqual((before.st_ino, before.st_mtime_ns), (after.st_ino, after.st_mtime_ns))
        self.assertFalse((self.root / "second-cache").exists())

    def test_a_damaged_model_is_replaced(self):
        self.folder.mkdir()
        (self.folder / "network").write_bytes(PRODUCT[:-1] + b"?")
        checked = self.run_command(model("network", MIRROR), options=["--check"])
        self.assertEqual(checked.returncode, 1)
        self.assertIn("network: damaged", checked.stdout)
        self.assertEqual(self.run_command(model("network", MIRROR)).returncode, 0)
        self.assertEqual((self.folder / "network").read_bytes(), PRODUCT)

    def test_check_fetches_nothing(self):
        done = self.run_command(model("network", MIRROR), options=["--check"])
        self.assertEqual(done.returncode, 1)
        self.assertIn("network: missing", done.stdout)
        self.assertFalse(self.folder.exists())
        self.assertFalse(self.cache.exists())

    def test_exit_codes_by_need(self):
        nowhere = [{"type": "mirror", "file": "nowhere"}]
        required = self.run_command(model("network", MIRROR), model("other", nowhere))
        self.assertEqual(required.returncode, 1)
        self.assertIn("ERROR: the model other is required", required.stderr)
        self.assertIn("remedy:", required.stderr)
        self.assertTrue((self.folder / "network").exists(), "what could be had is there")

        recommended = self.run_command(model("network", MIRROR), model("other", nowhere, need="recommended"))
        self.assertEqual(recommended.returncode, 0)
        self.assertIn("note: the recommended model other", recommended.stderr)

    def test_optional_models_only_on_request(self):
        tables = model("network", MIRROR, need="optional")
        self.assertIn("not fetched: network, MIT", self.run_command(tables).stdout)
        self.assertFalse((self.folder / "network").exists())
        self.assertEqual(self.run_command(tables, options=["--with-optional", "network"]).returncode, 0)
        self.assertTrue((self.folder / "network").exists())

    def test_only(self):
        tables = model("network", MIRROR), model("other", MIRROR)
        self.assertEqual(self.run_command(*tables, options=["--only", "other"]).returncode, 0)
        self.assertEqual([path.name for path in self.folder.glob("[!o]*")], [])
        unknown = self.run_command(*tables, options=["--only", "nothing"])
        self.assertEqual(unknown.returncode, 2)
        self.assertIn("no model `nothing`", unknown.stderr)

    def test_a_polite_kill_leaves_nothing(self):
        asked, release = threading.Event(), threading.Event()
        self.addCleanup(release.set)

        class Slow(answering(b"")):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", str(len(PRODUCT)))
                self.end_headers()
                self.wfile.write(PRODUCT[:100])
                asked.set()
                release.wait(30)

        url = self.served(Slow)
        command = self.command(model("network", [{"type": "url", "url": url}]))
        process = subprocess.Popen(
            command, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.assertTrue(asked.wait(30))
        time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(30), 143)
        self.assert_nothing_left()


class RealManifest(Case):
    def test_it_names_known_sources_and_artifacts(self):
        import sources

        manifest = Manifest.read(SETUP.parent / "manifest.toml")
        converters = {path.stem for path in (SETUP / "converters").glob("*.py")}
        for entry in [*manifest.models.values(), *manifest.artifacts.values()]:
            for source in entry.sources:
                self.assertIn(source["type"], sources.TYPES)
                self.assertIn(source.get("converter", "tflite"), converters)
                named = source.get("from", []) + ([source["archive"]] if "archive" in source else [])
                for id in named:
                    self.assertIn(id, manifest.artifacts)
