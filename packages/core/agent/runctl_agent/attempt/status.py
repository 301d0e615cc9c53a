"""status.json: how the attempt is doing, for whoever looks."""

from __future__ import annotations

import os

from .. import procs
from ..records import iso_now, read_record, write_record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

KEEPALIVE_SECONDS = 5.0


class Status:
    """The record, its phases and their lengths."""

    def __init__(self, dir: str) -> None:
        self._path = os.path.join(dir, "status.json")
        before = read_record(self._path) or {}
        self._seq = int(before.get("seq", 0))
        self.seconds: "Dict[str, float]" = dict(before.get("seconds", {}))
        self.resumed_from: "Optional[str]" = before.get("resumedFrom")
        self.phase = "starting"
        self._since = procs.uptime()
        self._last: "Dict[str, Any]" = {}
        self._written = -1e9

    def enter(self, phase: str) -> None:
        """The next phase begins."""
        now = procs.uptime()
        self.seconds[self.phase] = self.seconds.get(self.phase, 0.0) + now - self._since
        self.phase, self._since = phase, now

    def lengths(self) -> "Dict[str, float]":
        """Seconds by phase up to now, to the millisecond."""
        now = dict(self.seconds)
        now[self.phase] = now.get(self.phase, 0.0) + procs.uptime() - self._since
        return {name: round(value, 3) for name, value in now.items()}

    def write(self, facts: "Dict[str, Any]") -> None:
        """Written when something changed, and every few seconds. On a full disk the old one stays."""
        now = procs.uptime()
        facts["phase"] = self.phase
        facts["resumedFrom"] = self.resumed_from
        quiet = {name: value for name, value in facts.items() if name != "trainingSeconds"}
        if quiet == self._last and now - self._written < KEEPALIVE_SECONDS:
            return
        self._seq += 1
        record = dict(facts, seq=self._seq, uptime=now, wall=iso_now(), bootId=procs.boot_id(), seconds=self.lengths())
        try:
            # Rewritten all the time: worth no sync, a rename is whole without one too.
            write_record(self._path, record, durable=False)
        except OSError:
            return
        self._last, self._written = quiet, now
