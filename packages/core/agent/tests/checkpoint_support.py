"""What the tests of publishing and resuming share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from typing import Any, Callable, Dict, List, Optional

from runctl_agent.ckpt.publisher import Publisher
from runctl_agent.store import FileStore, StoreError

from .support import Attempt, Case

PREFIX = "runs/r1/ckpt/"


class GatedStore(FileStore):
    """A store whose uploads can be held back or made to fail."""

    def __init__(self, root: str) -> None:
        super().__init__(root, "")
        self.gate = threading.Event()
        self.gate.set()
        self.waiting = threading.Event()
        self.failures: List[str] = []
        self.before: "Optional[Callable[[str], None]]" = None

    def put_file(self, key: str, path: str, create_only: bool = False) -> None:
        self.waiting.set()
        if not self.gate.wait(60):
            raise AssertionError("the gate was never opened")
        if self.failures:
            raise StoreError(self.failures.pop(0))
        super().put_file(key, path, create_only)
        if self.before is not None:
            self.before(key)


class CheckpointCase(Case):
    """A test with attempts of one run that share a store."""

    def setUp(self) -> None:
        super().setUp()
        os.makedirs(os.path.join(self.base, "store"))
        self.store = GatedStore(os.path.join(self.base, "store"))
        self.publishers: List[Publisher] = []
        self.addCleanup(self.end)

    def end(self) -> None:
        self.store.gate.set()
        for publisher in self.publishers:
            publisher._halt.set()
            with publisher._lock:
                publisher._abandon = True
                publisher._lock.notify_all()
            for thread in publisher._threads:
                thread.join(10)

    def attempt(
        self, number: int = 1, mode: str = "auto", manifests: "Optional[List[str]]" = None, **changes: Any
    ) -> Attempt:
        config = {
            "dir": "check points",
            "store": 0,
            "prefix": PREFIX,
            "resume": {"mode": mode, "manifests": manifests or []},
        }
        attempt = self.new(attempt=number, checkpoints=config, **changes)
        attempt.dir = os.path.join(self.base, "runs", "r1", str(number))
        attempt.store = self.store
        os.makedirs(attempt.dir + "/work/check points", exist_ok=True)
        return attempt

    def publisher(self, attempt: Attempt, start: bool = True) -> Publisher:
        publisher = Publisher(attempt.context())
        self.publishers.append(publisher)
        if start:
            publisher.start()
        return publisher

    def folder(self, attempt: Attempt) -> str:
        return attempt.dir + "/work/check points"

    def save(self, attempt: Attempt, name: str, step: int = 0, size: int = 0) -> str:
        """A whole checkpoint, written as careful scripts do: a temporary name, then a rename."""
        path = self.folder(attempt) + "/" + name
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + ".tmp", "w", encoding="utf-8") as file:
            json.dump({"step": step, "pad": "x" * size}, file)
        os.replace(path + ".tmp", path)
        return path

    def exited(self, attempt: Attempt, code: "Optional[int]" = 0, signal: "Optional[str]" = None) -> None:
        with open(attempt.dir + "/exit.json", "w", encoding="utf-8") as file:
            json.dump({"code": code, "signal": signal, "endedUptime": 0, "endedAt": ""}, file)

    def until(self, condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
        """Waits for a condition of another thread or process."""
        end = time.monotonic() + seconds
        pause = threading.Event()
        while not condition():
            if time.monotonic() > end:
                self.fail("never: " + what)
            pause.wait(0.02)

    def manifests(self) -> "List[Dict[str, Any]]":
        """All manifests in the store, in order of their keys."""
        return [
            json.loads(self.store.get_bytes(key))
            for key, _size in self.store.list(PREFIX)
            if key.endswith("/manifest.json")
        ]

    def latest(self) -> "Dict[str, Any]":
        keys = [key for key, _size in self.store.list(PREFIX + "LATEST.")]
        value: "Dict[str, Any]" = json.loads(self.store.get_bytes(keys[-1]))
        return value

    def stored(self, manifest: "Dict[str, Any]", path: str) -> bytes:
        return self.store.get_bytes("%s%d/%06d/files/%s" % (PREFIX, manifest["attempt"], manifest["seq"], path))

    def writer(self, code: str, *args: str) -> "subprocess.Popen[bytes]":
        """A real process that writes; it prints a line when it is where the test wants it."""
        process = subprocess.Popen([sys.executable, "-I", "-c", code, *args], stdout=subprocess.PIPE)
        self.addCleanup(self.reap, process)
        return process

    def reap(self, process: "subprocess.Popen[bytes]") -> None:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
