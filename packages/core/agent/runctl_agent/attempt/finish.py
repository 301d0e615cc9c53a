"""The last uploads and the last record, in a thread of its own, so that the loop goes on feeding the guardian."""

from __future__ import annotations

import os
import time

from ..records import iso_now
from ..reserve import free, write_vital
from ..store import StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional

    from ..context import Context
    from ..uploads.ship import Ship


# A folder that refuses now refuses in a minute; a network may come back.
RETRY_SECONDS = {"file": 3.0, "s3": 600.0, "command": 600.0}


class Ending:
    """Everything that the end needs to know."""

    def __init__(
        self,
        cause: str,
        exit: "Optional[Dict[str, Any]]",
        error: "Optional[Dict[str, Any]]",
        started_at: "Optional[str]",
    ) -> None:
        self.cause = cause
        self.exit = exit
        self.error = error
        self.started_at = started_at

    @property
    def failed(self) -> bool:
        """Anything but an end that the script itself calls good, or that somebody asked for."""
        good = self.cause == "exit" and self.exit is not None and self.exit.get("code") == 0
        return not (good or self.cause in ("done-file", "stop"))


class Finish:
    """One attempt's end."""

    def __init__(self, ctx: "Context", ship: "Ship", publisher: "Any", outputs: "Any", give_up_at: float) -> None:
        self._ctx = ctx
        self._ship = ship
        self._publisher = publisher
        self._outputs = outputs
        self._give_up_at = give_up_at
        self.lost: "List[str]" = []
        self.written = False

    def upload(self, ending: Ending) -> None:
        """Checkpoints, outputs, logs, the exit record. What fails is named in `lost`; the end comes all the same."""
        if self._publisher is not None:
            self._step("checkpoints", lambda: self.lost.extend(self._publisher.stop(self._give_up_at)))
        if self._outputs is not None:
            self._step("outputs", lambda: self._outputs.collect(True, ending.failed))
            self.lost.extend(self._outputs.lost)
        self._ship.stop()
        if not self._retry("logs", lambda: self._ship.once(True)):
            self.lost.extend(self._ship.unsent())
        if ending.exit is not None:
            from json import dumps

            data = dumps(ending.exit).encode("utf-8")
            self._retry("exit.json", lambda: self._ship.put("exit.json", data))

    def _step(self, what: str, work: "Callable[[], object]") -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - one part's failure must not lose the others' work
            self.lost.append("%s: %s" % (what, error))
            self._ctx.setup_log("runctl: the last upload of %s failed: %s\n" % (what, error))

    def _retry(self, what: str, work: "Callable[[], object]") -> bool:
        """Until it works, or the attempt's time is over."""
        pause, end = 0.2, min(self._give_up_at, self._ctx.uptime() + RETRY_SECONDS.get(self._ctx.stores[0].kind, 0.0))
        while True:
            try:
                work()
                return True
            except (StoreError, OSError) as error:
                if self._ctx.uptime() + pause > end:
                    self.lost.append("%s: %s" % (what, error))
                    return False
            time.sleep(pause)
            pause = min(30.0, pause * 2)

    def record(self, ending: Ending, facts: "Dict[str, Any]") -> None:
        """final.json, first into the store and then here: whoever sees it here may take the machine away."""
        if self.written:
            return
        exit = ending.exit or {}
        final = {
            "cause": ending.cause,
            "code": exit.get("code"),
            "signal": exit.get("signal"),
            "error": ending.error,
            "startedAt": ending.started_at,
            "endedAt": exit.get("endedAt") or iso_now(),
            "outputs": [] if self._outputs is None else self._outputs.report,
            "lost": self.lost,
        }
        final.update(facts)
        from json import dumps

        # Nothing else needs the room any more.
        free(self._ctx.dir)
        self._retry("final.json", lambda: self._ship.put("final.json", dumps(final).encode("utf-8")))
        self.written = True
        write_vital(self._ctx.dir, os.path.join(self._ctx.dir, "final.json"), final)
