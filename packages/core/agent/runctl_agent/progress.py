"""Progress of a long step: always in the status, and as an event at most twice a second."""

from __future__ import annotations

import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

    from .context import Context

INTERVAL = 0.5


class Progress:
    """Counts `unit`s of one operation. Safe to use from several threads."""

    def __init__(self, ctx: "Context", operation: str, total: "Optional[int]", unit: str) -> None:
        self._ctx = ctx
        self._operation = operation
        self._total = total
        self._unit = unit
        self._done = 0
        self._last: "Optional[float]" = None
        self._lock = threading.Lock()

    def add(self, amount: int, detail: "Optional[str]" = None) -> None:
        """`amount` more are done. An event only when the last one is half a second old."""
        with self._lock:
            self._done += amount
            now = self._ctx.uptime()
            if self._last is None or now - self._last >= INTERVAL:
                self._last = now
                self._say(detail)

    def finish(self, detail: "Optional[str]" = None) -> None:
        """The last event, whenever the one before was."""
        with self._lock:
            self._say(detail)

    def _say(self, detail: "Optional[str]") -> None:
        self._ctx.progress(self._operation, self._done, self._total, self._unit, detail)
        self._ctx.emit(
            {
                "type": "progress",
                "operation": self._operation,
                "done": self._done,
                "total": self._total,
                "unit": self._unit,
                "detail": detail,
            }
        )
