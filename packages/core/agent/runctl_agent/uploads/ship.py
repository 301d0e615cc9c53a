"""Keeps the store's copy of an attempt's logs and records fresh, in a thread of its own: a slow store must not slow the loop."""

from __future__ import annotations

import os
import threading

from ..store import StoreError
from .claimed import is_claimed
from .log_chunks import LogShip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional

    from ..context import Context

RECORDS = ("events.jsonl", "status.json")


class Ship:
    """Everything of the attempt's folder that belongs into the store while it lasts."""

    def __init__(self, ctx: "Context") -> None:
        attempt = ctx.attempt
        self._ctx = ctx
        self._store = ctx.stores[0]
        self._prefix = "%sattempts/%d/" % (ctx.run_prefix, attempt["attempt"])
        self.log = LogShip(
            self._store, os.path.join(ctx.dir, "log"), "%slog/%d/" % (ctx.run_prefix, attempt["attempt"])
        )
        self.setup = LogShip(
            self._store, os.path.join(ctx.dir, "setup.log"), "%ssetup-log/%d/" % (ctx.run_prefix, attempt["attempt"])
        )
        self.metrics = LogShip(
            self._store, os.path.join(ctx.dir, "metrics.jsonl"), "%smetrics/%d/" % (ctx.run_prefix, attempt["attempt"])
        )
        self._every = 1.5 if self._store.kind == "file" else 10.0
        self._over = threading.Event()
        self._sent: "dict[str, tuple[int, int]]" = {}
        self._lock = threading.Lock()
        self._thread: "Optional[threading.Thread]" = None

    def start(self) -> None:
        """Begins to send from time to time."""
        self._thread = threading.Thread(target=self._loop, name="ship", daemon=True)
        self._thread.start()

    def _loop(self) -> None:
        while not self._over.wait(self._every):
            try:
                self.once(False)
            except (StoreError, OSError):
                continue  # Tried again at the next tick; what is missing in the end is said in `lost`.

    def once(self, final: bool) -> None:
        """Sends what is new, if the attempt is ours. Raises StoreError or OSError."""
        if not is_claimed(self._ctx.dir):
            return
        with self._lock:
            self.log.ship(final)
            self.setup.ship(final)
            self.metrics.ship(final)
            for name in RECORDS:
                self._record(name)

    def _record(self, name: str) -> None:
        path = os.path.join(self._ctx.dir, name)
        try:
            found = os.stat(path)
        except FileNotFoundError:
            return
        version = (found.st_mtime_ns, found.st_size)
        if self._sent.get(name) == version or found.st_size == 0:
            return
        with open(path, "rb") as file:
            self._store.put_bytes(self._prefix + name, file.read())
        self._sent[name] = version

    def put(self, name: str, data: bytes) -> None:
        """One record of the attempt, now, if the attempt is ours."""
        if not is_claimed(self._ctx.dir):
            return
        self._store.put_bytes(self._prefix + name, data)

    def stop(self) -> None:
        """No more sending by itself."""
        self._over.set()

    def unsent(self) -> "List[str]":
        """What of the logs never reached the store."""
        lost = []
        for ship, name in ((self.log, "log"), (self.setup, "setup.log"), (self.metrics, "metrics.jsonl")):
            try:
                size = os.stat(os.path.join(self._ctx.dir, name)).st_size
            except OSError:
                continue
            if size > (ship.offset or 0):
                lost.append("%s: bytes %d to %d" % (name, ship.offset or 0, size))
        return lost
