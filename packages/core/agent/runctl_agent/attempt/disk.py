"""Is the disk full? The training may go on: only its own end says whether it could."""

from __future__ import annotations

import os

from .. import procs, reserve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

    from ..context import Context

FULL_BELOW = 65536
RECENT_SECONDS = 60.0


class DiskWatch:
    """Of the file system that the attempt's folder is on."""

    def __init__(self, ctx: "Context") -> None:
        self._ctx = ctx
        self._full_at: "Optional[float]" = None
        self._had_reserve = False

    def look(self) -> None:
        """Cheap; about once a second."""
        try:
            found = os.statvfs(self._ctx.dir)
        except OSError:
            return
        free = found.f_bavail * found.f_frsize
        self._had_reserve = self._had_reserve or os.path.exists(os.path.join(self._ctx.dir, "reserve"))
        if free < FULL_BELOW:
            if self._full_at is None:
                self._ctx.decision("the disk is full: training goes on, records and uploads use the reserve")
            self._full_at = procs.uptime()
        elif free > 4 * reserve.SIZE and not os.path.exists(os.path.join(self._ctx.dir, "reserve")):
            reserve.make(self._ctx.dir)

    @property
    def lately_full(self) -> bool:
        """Now, or within the last minute: a script that fills a disk dies of it between two looks."""
        self.look()
        if self._had_reserve and not os.path.exists(os.path.join(self._ctx.dir, "reserve")):
            return True  # Somebody needed it to write a record: there is room now because of that.
        return self._full_at is not None and procs.uptime() - self._full_at < RECENT_SECONDS
