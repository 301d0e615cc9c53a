"""The running training, as its runner wrote it down."""

from __future__ import annotations

import os
import select

from .. import procs
from ..records import read_record
from .runner import open_pidfd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional


class Training:
    """One attempt's runner and leader."""

    def __init__(self, dir: str) -> None:
        self._dir = dir
        self.record: "Optional[Dict[str, Any]]" = None
        self.watch_fd = -1
        """Readable when the runner is gone; -1 where that cannot be watched and is looked at instead."""

    def read(self) -> bool:
        """Looks for runner.json; True when it has just appeared."""
        if self.record is not None:
            return False
        self.record = read_record(os.path.join(self._dir, "runner.json"))
        return self.record is not None

    def adopt(self) -> None:
        """A restarted supervisor takes over what it did not start."""
        record = self.record
        if record is not None and self._alive("runnerPid", "runnerStartTime"):
            fd = open_pidfd(int(record["runnerPid"]))
            self.watch_fd = -1 if fd is None else fd

    def _alive(self, pid: str, start: str) -> bool:
        record = self.record
        return record is not None and procs.is_alive(int(record[pid]), record[start], str(record["bootId"]))

    def gone(self) -> bool:
        """The exit record is there, or nobody is left who could write it."""
        if os.path.exists(os.path.join(self._dir, "exit.json")):
            return True
        if self.watch_fd >= 0 and not select.select([self.watch_fd], [], [], 0)[0]:
            return False
        self.read()
        if self.record is None:
            return True  # The runner died before it started anything.
        self.watch_fd = -1  # The runner was killed: from now on the leader is looked at.
        return not self._alive("runnerPid", "runnerStartTime") and not self._alive("pid", "startTime")

    @property
    def since(self) -> "Optional[float]":
        """Uptime at which it began."""
        return None if self.record is None else float(self.record["startedUptime"])

    @property
    def started_at(self) -> "Optional[str]":
        """Wall time at which it began."""
        return None if self.record is None else str(self.record["startedAt"])
