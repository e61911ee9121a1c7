"""Every way in which a file can come, and every way in which it can fail to."""

import json

import files
from report import SetupError
from tests.support import NETWORK, PRODUCT, Case, Tools, answering, artifact, digest, model, tarred, zipped

MIRROR = {"type": "mirror", "file": "network"}
CONVERT = {"type": "convert", "converter": "tflite", "from": ["raw"]}
PYPI = {"type": "pypi", "package": "some-package", "version": "1.0", "platform": "any"}


class Sources(Case):
    def test_the_mirror_is_used_and_noted(self):
        (self.mirror / "network").write_bytes(PRODUCT)
        workshop = self.workshop(model("network", [MIRROR]))
        self.install(workshop)
        self.assertEqual((self.folder / "network").read_bytes(), PRODUCT)
        origins = json.loads((self.folder / "origins.json").read_text())
        self.assertEqual(origins, {"network": "mirror folder, network"})

    def test_a_package_is_unpacked_and_converted(self):
        wheel = zipped(network=NETWORK)
        tools = Tools(package=wheel)
        self.install(
            self.workshop(
                artifact("wheel", [PYPI], wheel),
                artifact("raw", [{"type": "archive", "archive": "wheel", "path": "network"}]),
                model("network", [MIRROR, CONVERT]),
                tools=tools,
            )
        )
        self.assertEqual((self.folder / "network").read_bytes(), PRODUCT)
        self.assertEqual(tools.calls, ["fetching the Python package some-package==1.0", "tflite"])
        origins = json.loads((self.folder / "origins.json").read_text())
        self.assertEqual(origins["network"], "Python package some-package 1.0, network, converted")

    def test_a_member_of_a_tar(self):
        package = tarred(network=NETWORK)
        member = {"type": "archive", "archive": "package", "path": "network"}
        tools = Tools(package=package)
        self.install(
            self.workshop(artifact("package", [PYPI], package), model("network", [member], NETWORK), tools=tools)
        )
        self.assertEqual((self.folder / "network").read_bytes(), NETWORK)

    def test_what_was_fetched_is_kept_for_the_next_model(self):
        tools = Tools()
        npm = {"type": "npm", "package": "@some/package", "version": "1.0"}
        tables = artifact("raw", [npm]), model("one", [CONVERT]), model("two", [CONVERT])
        self.install(self.workshop(*tables, tools=tools))
        self.install(self.workshop(*tables, tools=tools))
        self.assertEqual(tools.calls.count("fetching the npm package @some/package@1.0"), 1)

    def test_a_damaged_cache_is_fetched_again(self):
        tables = artifact("raw", [PYPI]), model("network", [CONVERT])
        self.install(self.workshop(*tables))
        (cached,) = self.cache.glob("artifacts/*-raw")
        cached.write_bytes(b"damaged")
        tools = Tools()
        self.install(self.workshop(*tables, tools=tools))
        self.assertIn("fetching the Python package some-package==1.0", tools.calls)
        self.assertEqual(cached.read_bytes(), NETWORK)

    def test_an_address_is_fetched(self):
        url = self.served(answering(PRODUCT))
        self.install(self.workshop(model("network", [{"type": "url", "url": url}])))
        self.assertEqual((self.folder / "network").read_bytes(), PRODUCT)

    def test_sources_are_tried_in_order_and_a_wrong_one_is_told(self):
        (self.mirror / "network").write_bytes(b"another file")
        url = self.served(answering(PRODUCT))
        self.install(self.workshop(model("network", [MIRROR, {"type": "url", "url": url}])))
        self.assertEqual((self.folder / "network").read_bytes(), PRODUCT)
        self.assertIn(f"must be {digest(PRODUCT)}", self.said.getvalue())


class Failures(Case):
    def test_a_wrong_hash_names_model_source_and_remedy(self):
        (self.mirror / "network").write_bytes(b"another file")
        text = self.refused(self.workshop(model("network", [MIRROR])))
        for part in ("network", "mirror", digest(b"another file"), digest(PRODUCT), "remedy:"):
            self.assertIn(part, text)
        self.assert_nothing_left()

    def test_a_wrong_product_is_not_installed(self):
        workshop = self.workshop(artifact("raw", [PYPI]), model("network", [CONVERT]), tools=Tools(product=b"other"))
        text = self.refused(workshop)
        self.assertIn("convert tflite", text)
        self.assertIn(digest(b"other"), text)
        self.assert_nothing_left()

    def test_a_download_that_breaks_off(self):
        url = self.served(answering(PRODUCT[:1000], announced=len(PRODUCT)))
        text = self.refused(self.workshop(model("network", [{"type": "url", "url": url}])))
        self.assertIn(f"broke off after 1000 of {len(PRODUCT)} bytes", text)
        self.assertIn(url, text)
        self.assertIn("remedy: run `make models` again", text)
        self.assert_nothing_left()

    def test_a_short_file_without_announced_length(self):
        short = self.root / "short"
        short.write_bytes(PRODUCT[:1000])
        text = self.refused(self.workshop(model("network", [{"type": "url", "url": short.as_uri()}])))
        self.assertIn(digest(PRODUCT[:1000]), text)
        self.assert_nothing_left()

    def test_an_address_that_is_not_there(self):
        url = self.served(answering(b"", status=404))
        text = self.refused(self.workshop(model("network", [{"type": "url", "url": url}])))
        self.assertIn("Not Found", text)
        self.assertIn("remedy: check the network", text)
        self.assert_nothing_left()

    def test_an_archive_that_is_broken_or_none_or_lacks_the_member(self):
        wheel, tar = zipped(network=NETWORK), tarred(network=NETWORK)
        packages = {
            "data of the zip": wheel[:40] + bytes(10) + wheel[50:],
            "directory of the zip": wheel[:-30] + bytes(10) + wheel[-20:],
            "end of the zip": wheel[:-40],
            "data of the tar": tar[:30] + bytes(10) + tar[40:],
            "end of the tar": tar[:-40],
            "no archive": b"no archive at all",
            "member of the zip": zipped(other=b"x"),
            "member of the tar": tarred(other=b"x"),
        }
        for name, package in packages.items():
            with self.subTest(name):
                workshop = self.workshop(
                    artifact("package", [PYPI], package),
                    model("network", [{"type": "archive", "archive": "package", "path": "network"}], NETWORK),
                    tools=Tools(package=package),
                )
                text = self.refused(workshop)
                self.assertIn("cannot take network out of", text)
                self.assertIn("remedy: remove", text)
                self.assert_nothing_left()

    def test_an_interrupted_conversion_leaves_nothing(self):
        class Interrupted(Tools):
            def convert(self, converter, inputs, output):
                output.write_bytes(PRODUCT[:10])
                raise KeyboardInterrupt

        workshop = self.workshop(artifact("raw", [PYPI]), model("network", [CONVERT]), tools=Interrupted())
        with self.assertRaises(KeyboardInterrupt):
            self.install(workshop)
        self.assert_nothing_left()

    def test_a_full_disk_leaves_nothing(self):
        (self.mirror / "network").write_bytes(PRODUCT)
        workshop = self.workshop(model("network", [MIRROR]))

        def full(_source, copy):
            copy.write_bytes(PRODUCT[:10])
            raise OSError(28, "No space left on device")

        copyfile, files.shutil.copyfile = files.shutil.copyfile, full
        self.addCleanup(setattr, files.shutil, "copyfile", copyfile)
        with self.assertRaises(OSError):
            self.install(workshop)
        self.assert_nothing_left()

    def test_what_a_killed_run_left_is_removed(self):
        for folder in (self.folder, self.cache):
            folder.mkdir()
            (folder / ".set-up-half").write_bytes(b"half")
            (folder / ".set-up-work").mkdir()
            (folder / ".set-up-work" / "half").write_bytes(b"half")
        with self.workshop(model("network", [MIRROR])).opened():
            pass
        self.assert_nothing_left()

    def test_an_artifact_that_cannot_be_had_is_tried_once(self):
        tools = Tools(package=b"another file")
        workshop = self.workshop(artifact("raw", [PYPI]), model("one", [CONVERT]), model("two", [CONVERT]), tools=tools)
        with workshop.opened():
            for id, told in {"one": "pypi some-package", "two": "as told above"}.items():
                with self.assertRaisesRegex(SetupError, told):
                    workshop.install(workshop.manifest.models[id])
        self.assertEqual(len(tools.calls), 1)
