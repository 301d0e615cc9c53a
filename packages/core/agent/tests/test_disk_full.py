"""A file system that is really full."""

from __future__ import annotations

import os
import subprocess
from typing import Any

from runctl_agent.context import SetupError
from runctl_agent.setup import inputs as inputs_part
from runctl_agent.setup import stage
from runctl_agent.setup.inputs import fetch_inputs

from .support import Attempt, Case, snapshot, write


class DiskFullTest(Case):
    def setUp(self) -> None:
        super().setUp()
        self.disk = os.path.join(self.base, "disk")
        os.makedirs(self.disk)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=2m,nr_inodes=200", "none", self.disk], stderr=subprocess.PIPE
        )
        if done.returncode != 0:
            self.skipTest("no file system can be mounted here: %s" % done.stderr.decode("utf-8", "replace").strip())
        self.addCleanup(subprocess.run, ["umount", self.disk], check=True)
        for part in (stage, inputs_part):
            self.addCleanup(setattr, part, "require_space", part.require_space)
        self.addCleanup(setattr, inputs_part, "PAUSE", inputs_part.PAUSE)
        inputs_part.PAUSE = 0.001

    def attempt(self, **changes: Any) -> Attempt:
        attempt = self.new(**changes)
        attempt.dir = os.path.join(self.disk, "run", "1")
        os.makedirs(attempt.work)
        return attempt

    def unaware(self) -> None:
        """As if somebody else took the room after we had looked."""
        for part in (stage, inputs_part):
            part.require_space = lambda *_: None  # type: ignore[assignment]

    def refused(self, act: Any) -> SetupError:
        with self.assertRaises(SetupError) as caught:
            act()
        self.assertIn("MiB needed", caught.exception.why)
        self.assertIn("free at", caught.exception.why)
        return caught.exception

    def test_code_that_does_not_fit(self) -> None:
        attempt = self.attempt()
        key, digest = snapshot(attempt, {"f%d" % n: (os.urandom(1 << 17), "644") for n in range(20)})

        def act() -> None:
            stage.materialise(attempt.context(), attempt.store, key, digest, attempt.work)

        self.refused(act)
        self.assertEqual(os.listdir(attempt.work), [])
        self.unaware()
        self.refused(act)
        self.assertFalse(os.path.exists(os.path.join(attempt.dir, stage.MARKER)))
        subprocess.run(["mount", "-o", "remount,size=8m", self.disk], check=True)
        act()
        self.assertEqual(len(os.listdir(attempt.work)), 20)

    def test_more_files_than_inodes(self) -> None:
        attempt = self.attempt()
        key, digest = snapshot(attempt, {"f%d" % n: (b"x", "644") for n in range(300)})
        with self.assertRaises(SetupError) as caught:
            stage.materialise(attempt.context(), attempt.store, key, digest, attempt.work)
        self.assertIn("inodes", caught.exception.why)

    def test_inputs_that_do_not_fit(self) -> None:
        attempt = self.attempt(inputs=[{"store": 0, "key": "in/", "to": "data"}])
        for index in range(20):
            write(os.path.join(attempt.root, "in/%d" % index), os.urandom(1 << 17))

        def act() -> None:
            fetch_inputs(attempt.context())

        self.refused(act)
        self.unaware()
        self.refused(act)
        self.assertFalse([name for name in os.listdir(os.path.join(attempt.work, "data")) if not name.isdigit()])
        subprocess.run(["mount", "-o", "remount,size=8m", self.disk], check=True)
        act()
        self.assertEqual(len(os.listdir(os.path.join(attempt.work, "data"))), 20)
