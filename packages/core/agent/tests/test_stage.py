"""Staging the code: everything arrives, nothing leaves the folder, a half tree is never believed."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from typing import Any, Dict, Tuple

from runctl_agent.context import Cancelled, SetupError
from runctl_agent.setup.stage import BUFFER, MARKER, materialise

from .support import CROWDS, Attempt, Case, canonical, put_manifest, snapshot, tree_of

ODD = {
    "a b/c'd\"e.txt": (b"quotes", "644"),
    "new\nline": (b"newline", "644"),
    "-rf": (b"dash", "644"),
    "$(touch pwned)": (b"dollar", "755"),
    "\u00e9\u0301/\U0001f600.py": (b"emoji", "644"),
    "\u2028sep": (b"separator", "644"),
    "tab\tand\x01control": (b"control", "644"),
    ".hidden/.x": (b"hidden", "644"),
    "empty": (b"", "644"),
    "run.sh": (b"#!/bin/sh\n", "755"),
    "back\\slash": (b"backslash", "644"),
}


class StageTest(Case):
    def stage(self, attempt: Attempt, key: str, digest: str) -> None:
        materialise(attempt.context(), attempt.store, key, digest, attempt.work)

    def test_everything_arrives(self) -> None:
        attempt = self.new()
        key, digest = snapshot(
            attempt, ODD, {"latest": "a b", "a b/up": "../run.sh"}, ["void", "deep/er/void"], packs=3
        )
        self.stage(attempt, key, digest)
        found = tree_of(attempt.work)
        for path, (data, mode) in ODD.items():
            self.assertEqual(found.pop(path), ("file", data, int(mode, 8)), path)
        self.assertEqual(found.pop("latest"), ("link", "a b", 0))
        self.assertEqual(found.pop("a b/up"), ("link", "../run.sh", 0))
        self.assertEqual({path for path, row in found.items() if row[0] == "dir"}, set(found))
        self.assertTrue({"void", "deep", "deep/er", "deep/er/void", ".hidden", "a b"} <= set(found))
        total = sum(len(data) for data, _ in ODD.values())
        done = [event for event in attempt.events if event["type"] == "progress"][-1]
        self.assertEqual(
            (done["operation"], done["done"], done["total"], done["unit"]), ("staging", total, total, "bytes")
        )

    @CROWDS
    def test_blobs_of_every_size_around_the_buffer_shared_and_with_holes(self) -> None:
        source = random.Random(7)
        sizes = [0, 1, 4095, BUFFER - 1, BUFFER, BUFFER + 1, 2 * BUFFER + 17, 3 * BUFFER, 5, 0, 99]
        files = {
            "f%d" % index: (source.getrandbits(8 * size).to_bytes(size, "little") if size else b"", "644")
            for index, size in enumerate(sizes)
        }
        for hole in (0, 100, 300 << 10, 3 * BUFFER):
            with self.subTest(hole=hole):
                attempt = Attempt(os.path.join(self.base, str(hole)))
                key, digest = snapshot(attempt, files, hole=hole)
                self.stage(attempt, key, digest)
                self.assertEqual(
                    {path: row[1] for path, row in tree_of(attempt.work).items()},
                    {path: row[0] for path, row in files.items()},
                )

    def test_the_same_blob_for_many_paths_in_any_order(self) -> None:
        attempt = self.new()
        small, large = b"s" * 1000, os.urandom(BUFFER + 1000)
        key = "code/packs/p.pack"
        attempt.store.put_bytes(key, small + large)
        at = {small: 0, large: len(small)}
        files = [
            {
                "path": "%s%d" % (name, n),
                "size": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
                "mode": "644",
                "pack": 0,
                "offset": at[data],
            }
            for n in range(3)
            for name, data in (("l", large), ("s", small))
        ]
        # One that begins within another.
        inner = large[10:60]
        files.append(
            {
                "path": "inner",
                "size": 50,
                "sha256": hashlib.sha256(inner).hexdigest(),
                "mode": "644",
                "pack": 0,
                "offset": len(small) + 10,
            }
        )
        self.stage(attempt, *put_manifest(attempt, {"v": 1, "files": files, "links": [], "dirs": [], "packs": [key]}))
        found = tree_of(attempt.work)
        self.assertEqual({found[name][1] for name in ("l0", "l1", "l2")}, {large})
        self.assertEqual({found[name][1] for name in ("s0", "s1", "s2")}, {small})
        self.assertEqual(found["inner"][1], inner)

    def test_done_once_and_what_the_training_changed_stays(self) -> None:
        attempt = self.new()
        key, digest = snapshot(attempt, {"a": (b"1", "644")})
        self.stage(attempt, key, digest)
        attempt.write("a", "changed by the training")
        shutil.rmtree(os.path.join(attempt.root, "code"))
        self.stage(attempt, key, digest)
        self.assertEqual(tree_of(attempt.work)["a"][1], b"changed by the training")

    def test_folders_that_are_there_already_stay(self) -> None:
        attempt = self.new()
        os.makedirs(os.path.join(attempt.work, "data"))
        os.makedirs(os.path.join(attempt.work, "output"))
        key, digest = snapshot(attempt, {"data/x": (b"1", "644"), "output": (b"a file of this name", "644")})
        self.stage(attempt, key, digest)
        self.assertEqual(tree_of(attempt.work)["output"][1], b"a file of this name")

    def hostile(self, **changes: Any) -> Attempt:
        attempt = Attempt(os.path.join(self.base, os.urandom(4).hex()))
        data = b"x"
        good: Dict[str, Any] = {
            "path": "ok",
            "size": 1,
            "sha256": hashlib.sha256(data).hexdigest(),
            "mode": "644",
            "pack": 0,
            "offset": 0,
        }
        manifest: Dict[str, Any] = {"v": 1, "files": [dict(good)], "links": [], "dirs": [], "packs": ["p"]}
        attempt.store.put_bytes("p", data)
        for name, value in changes.items():
            if name == "path":
                manifest["files"].append(dict(good, path=value))
            elif name == "file":
                manifest["files"].append(dict(good, path="other", **value))
            else:
                manifest[name] = value
        secret = os.path.join(attempt.dir, "beside")
        with open(secret, "w") as file:
            file.write("untouched")
        try:
            key, digest = put_manifest(attempt, manifest)
        except (KeyError, TypeError, AttributeError, UnicodeEncodeError):
            key, digest = "m", canonical([good], [], [])
            import json

            attempt.store.put_bytes(key, json.dumps(manifest).encode("ascii"))
        with self.assertRaises(SetupError) as caught:
            self.stage(attempt, key, digest)
        self.assertTrue(caught.exception.what and caught.exception.why)
        with open(secret) as file:
            self.assertEqual(file.read(), "untouched")
        self.assertEqual(sorted(os.listdir(attempt.dir)) in (["beside"], ["beside", "work"]), True)
        self.assertFalse(os.path.exists(os.path.join(attempt.dir, MARKER)))
        return attempt

    def test_hostile_paths_are_refused(self) -> None:
        for path in (
            "../beside",
            "/etc/passwd",
            "a/../../beside",
            "a//b",
            "./a",
            "a/.",
            "a/",
            "",
            "..",
            "nul\0",
            "\ud800",
            None,
            5,
            ["a"],
            "ok",
            "ok/below",
        ):
            with self.subTest(path=path):
                self.hostile(path=path)
        for name in ("../d", "/d", "", "a/../b"):
            with self.subTest(dir=name):
                self.hostile(dirs=[name])
        self.hostile(dirs=["ok"])

    def test_links_out_of_the_tree_are_refused(self) -> None:
        for links in (
            {"l": "/etc"},
            {"l": "../beside"},
            {"a/l": "../../beside"},
            {"l": ""},
            {"l": "x\0y"},
            {"ok": "a"},
            # Inside by its letters, outside by what the kernel does: d/e/up is the root, and its parent is not ours.
            {"d/e/up": "../..", "l": "d/e/up/../beside"},
            # A path that leads through a link.
            {"l": "d", "l/x": "y"},
        ):
            with self.subTest(links=links):
                self.hostile(links=[{"path": path, "target": target} for path, target in links.items()])
        attempt = Attempt(os.path.join(self.base, "through"))
        with self.assertRaises(SetupError):
            self.stage(attempt, *snapshot(attempt, {"l/file": (b"1", "644")}, {"l": "d"}))

    def test_links_inside_the_tree_are_kept(self) -> None:
        attempt = self.new()
        links = {"loop": "loop", "a/b/c": "../../d", "dangling": "not/there", "x": "a/b/c/../e", "self": "."}
        self.stage(attempt, *snapshot(attempt, {"d/f": (b"1", "644"), "e": (b"2", "644")}, links))
        self.assertEqual({path: row[1] for path, row in tree_of(attempt.work).items() if row[0] == "link"}, links)

    def test_malformed_manifests_are_refused(self) -> None:
        for change in (
            {"size": -1},
            {"size": True},
            {"size": "1"},
            {"offset": -1},
            {"pack": 1},
            {"pack": None},
            {"mode": "777"},
            {"sha256": "x"},
            {"sha256": None},
        ):
            with self.subTest(change=change):
                self.hostile(file=change)
        for change in (
            {"v": 2},
            {"files": {}},
            {"files": [1]},
            {"links": [{"path": "a"}]},
            {"links": 3},
            {"packs": [None]},
            {"dirs": [4]},
        ):
            with self.subTest(change=change):
                self.hostile(**change)

    def test_another_content_than_promised_is_refused(self) -> None:
        attempt = self.new()
        key, digest = snapshot(attempt, {"a": (b"abc", "644"), "b": (b"def", "644")})
        with self.assertRaises(SetupError) as caught:
            self.stage(attempt, key, "0" * 64)
        self.assertIn("digest", caught.exception.why)
        pack = os.path.join(attempt.root, "code/packs", os.listdir(os.path.join(attempt.root, "code/packs"))[0])
        with open(pack, "wb") as file:
            file.write(b"abcdeX")
        with self.assertRaises(SetupError) as caught:
            self.stage(attempt, key, digest)
        self.assertIn("b in code/packs", caught.exception.why)
        with open(pack, "wb") as file:
            file.write(b"abcd")
        with self.assertRaises(SetupError):
            self.stage(attempt, key, digest)
        os.unlink(pack)
        with self.assertRaises(SetupError) as caught:
            self.stage(attempt, key, digest)
        self.assertIn("there is no", caught.exception.why)
        with self.assertRaises(SetupError) as caught:
            self.stage(attempt, "code/trees/none.json", digest)
        self.assertIn("gone", caught.exception.what)

    def test_cancel_ends_it(self) -> None:
        attempt = self.new()
        key, digest = snapshot(attempt, {"a": (b"abc", "644")})
        attempt.cancelled.set()
        with self.assertRaises(Cancelled):
            self.stage(attempt, key, digest)
        attempt.cancelled.clear()
        self.stage(attempt, key, digest)
        self.assertEqual(tree_of(attempt.work)["a"][1], b"abc")

    @CROWDS
    def test_killed_at_any_moment_it_is_made_whole_again(self) -> None:
        attempt = self.new()
        data = os.urandom(2000)
        files: Dict[str, Tuple[bytes, str]] = {
            "d%02d/f%d" % (n % 40, n): (data + b"%d" % n, "755" if n % 3 else "644") for n in range(2000)
        }
        key, digest = snapshot(attempt, files, {"l": "d01", "d02/up": "../d01"})
        program = (
            "import sys; sys.path.insert(0, sys.argv[1])\n"
            "from tests.support import Attempt\n"
            "from runctl_agent.setup.stage import materialise\n"
            "a = Attempt(sys.argv[2]); print('go', flush=True); materialise(a.context(), a.store, sys.argv[3], sys.argv[4], a.work)\n"
        )
        agent = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        killed = 0
        for index in range(12):
            child = subprocess.Popen(
                [sys.executable, "-c", program, agent, self.base, key, digest], stdout=subprocess.PIPE
            )
            assert child.stdout is not None
            child.stdout.readline()
            time.sleep(index * 0.012)  # a random moment of the staging is the point of this test
            child.send_signal(signal.SIGKILL)
            child.wait()
            child.stdout.close()
            marked = os.path.exists(os.path.join(attempt.dir, MARKER))
            killed += 0 if marked else 1
            if marked:
                self.assertEqual(len(tree_of(attempt.work)), 2000 + 40 + 2)
                os.unlink(os.path.join(attempt.dir, MARKER))
        self.assertGreater(killed, 0)
        self.stage(attempt, key, digest)
        found = tree_of(attempt.work)
        self.assertEqual(
            {path: row[1:] for path, row in found.items() if row[0] == "file"},
            {p: (d, int(m, 8)) for p, (d, m) in files.items()},
        )
        self.assertEqual(found["d02/up"][1], "../d01")
