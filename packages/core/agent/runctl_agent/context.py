"""What every part of the supervisor is given."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from threading import Event
    from typing import Any, Callable, Dict, List

    from .store import Store


class SetupError(Exception):
    """Something the attempt needs could not be brought in place. Ends the attempt; shown to the user as what, why, fix."""

    def __init__(self, what: str, why: str = "", fix: "List[str]" = []) -> None:  # noqa: B006 - never changed
        super().__init__(what)
        self.what = what
        self.why = why
        self.fix = list(fix)


class Cancelled(Exception):
    """Raised inside setup when the attempt was told to stop."""


# A plain class: importing `dataclasses` costs more than the rest of this package together.
class Context:
    """One attempt on this host. Paths are absolute."""

    def __init__(
        self,
        attempt: "Dict[str, Any]",
        dir: str,
        home: str,
        cache: str,
        work: str,
        stores: "List[Store]",
        secrets_env: "Dict[str, str]",
        emit: "Callable[[Dict[str, Any]], None]",
        decision: "Callable[[str], None]",
        uptime: "Callable[[], float]",
        setup_log: "Callable[[str], None]",
        cancelled: "Event",
    ) -> None:
        self.attempt = attempt
        """The parsed attempt.json."""
        self.dir = dir
        """The attempt's folder."""
        self.home = home
        """RUNCTL_HOME."""
        self.cache = cache
        """Shared by all runs of this host: agent, environments."""
        self.work = work
        """The working folder of the training: dir + "/work"."""
        self.stores = stores
        """attempt["stores"][i], opened. 0 is the run's own."""
        self.secrets_env = secrets_env
        """Secret values by environment name. Never to be written anywhere."""
        self.emit = emit
        """Appends a line to events.jsonl; "at" is filled in when missing."""
        self.decision = decision
        """emit() of a decision, for people."""
        self.uptime = uptime
        """Seconds since boot."""
        self.setup_log = setup_log
        """Appends text to setup.log as it is."""
        self.cancelled = cancelled
        """Set when the attempt is told to stop during setup."""

    @property
    def run_prefix(self) -> str:
        """The run's folder in store 0, with its slash."""
        return str(self.attempt["runPrefix"])

    def check_cancelled(self) -> None:
        """Raises Cancelled when the attempt was told to stop. Call it between files and chunks."""
        if self.cancelled.is_set():
            raise Cancelled()

    def progress(
        self, operation: str, done: float, total: "float | None", unit: str, detail: "str | None" = None
    ) -> None:
        """Shows progress of a setup or upload step in status.json; cheap, may be called often."""
        self.current_progress = {"operation": operation, "done": done, "total": total, "unit": unit, "detail": detail}

    current_progress: "Dict[str, Any] | None" = None
