"""Ending the training: politely to its leader, then by force to everything that carries the nonce. The first cause wins."""

from __future__ import annotations

import os
import signal

from .. import procs
from ..records import iso_now, read_record
from ..reserve import create_vital

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional


class Stopping:
    """The stop of one attempt, if any."""

    def __init__(self, dir: str, attempt: "Dict[str, Any]") -> None:
        self._dir = dir
        self._nonce = str(attempt["nonce"])
        checkpoints = attempt.get("checkpoints")
        self._how = (
            attempt["stop"]
            if checkpoints is None
            else {"signal": checkpoints["stopSignal"], "graceSeconds": checkpoints["graceSeconds"]}
        )
        self.cause: "Optional[str]" = None
        self.detail: "Optional[str]" = None
        self.until: "Optional[str]" = None
        self.kill_at: "Optional[float]" = None
        """Uptime from which force is used."""
        self.unsent = False
        """The polite signal found nobody yet."""
        self.done_first = False
        """The job had written its done file before any cause of ours."""
        self._since: "Optional[float]" = None

    @property
    def grace_seconds(self) -> float:
        """The grace that the attempt asks for."""
        return float(self._how["graceSeconds"])

    def recall(self) -> bool:
        """Takes over a notice that is on disk: the guardian's, or one from before a restart. True when it is news."""
        if self.cause is not None:
            return False
        notice = read_record(os.path.join(self._dir, "notice.json"))
        if notice is None:
            return False
        self.cause = str(notice.get("cause", "guard"))
        self.detail = notice.get("detail")
        self.until = notice.get("until")
        # Who wrote it has sent the signal. When is not known across a restart: the grace begins again, the guardian's own does not.
        self.kill_at = procs.uptime() + (
            0.0 if self.cause == "cancel" else float(notice.get("graceSeconds", self.grace_seconds))
        )
        self._tell_job(notice)
        return True

    def begin(
        self, cause: str, grace: "Optional[float]" = None, until: "Optional[str]" = None, detail: "Optional[str]" = None
    ) -> bool:
        """Announces the stop, then signals. False when another cause was first; a cancel then only shortens the grace."""
        if self.cause is not None or self.recall():
            if cause == "cancel":
                self.kill_at = procs.uptime()
            return False
        self.done_first = os.path.exists(os.path.join(self._dir, "job", "done"))
        seconds = 0.0 if cause == "cancel" else self.grace_seconds if grace is None else max(0.0, grace)
        notice = {"cause": cause, "at": iso_now(), "until": until, "detail": detail, "graceSeconds": seconds}
        try:
            if not create_vital(self._dir, os.path.join(self._dir, "notice.json"), notice):
                self.recall()
                return False
        except OSError:
            pass  # Not even the reserve helps: the stop itself must not depend on a record.
        self.cause, self.detail, self.until = cause, detail, until
        self._since = procs.uptime()
        self.kill_at = self._since + seconds
        self._tell_job(notice)
        if cause != "cancel":
            self.signal_leader()
        return True

    def after(self, exit: "Optional[Dict[str, Any]]") -> bool:
        """Had the training ended by itself before this stop began?"""
        return exit is not None and self._since is not None and float(exit["endedUptime"]) < self._since

    def _tell_job(self, notice: "Dict[str, Any]") -> None:
        try:
            create_vital(self._dir, os.path.join(self._dir, "job", "notice.json"), notice)
        except OSError:
            pass

    def signal_leader(self) -> None:
        """The polite signal, to the leader only: data loaders and workers have sessions of their own and are its business."""
        runner = read_record(os.path.join(self._dir, "runner.json"))
        self.unsent = runner is None
        if runner is not None:
            procs.signal_exact(
                int(runner["pid"]),
                runner["startTime"],
                str(runner["bootId"]),
                getattr(signal, str(self._how["signal"])),
            )

    def force(self) -> None:
        """SIGKILL to everything that is left, for a short while; called again until the runner says that it is over."""
        procs.kill_nonce(self._nonce, 0.3)
