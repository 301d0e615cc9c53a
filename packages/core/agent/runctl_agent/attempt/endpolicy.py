"""When the attempt is over: end or stop the machine by the provider's hook, or leave it."""

from __future__ import annotations

import glob
import os

from .. import procs
from ..records import iso_now, write_record
from .revive import running

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict

RETRY_SECONDS = 30.0
TRIES = 20


class EndPolicy:
    """Steps of the end policy; `step` is called by the loop until it says that nothing is left to do."""

    def __init__(self, dir: str, hooks: "Dict[str, Any]") -> None:
        self._dir = dir
        self._hooks = hooks
        self._since = procs.uptime()
        self._tries = 0
        self._next = 0.0

    def step(self, policy: "Dict[str, Any]", hard_at: float) -> bool:
        """True when the policy is carried out or there is none. At the hard limit nothing is waited for any more: it is the budget's end."""
        action = policy["action"]
        if action == "none":
            return self._mark(action, None)
        now = procs.uptime()
        if now < min(self._since + float(policy["afterSeconds"]), hard_at) or now < self._next:
            return False
        if self._is_used():
            return self._mark(action, "another attempt works on this machine")
        hook = self._hooks.get(action)
        if hook is None:
            return self._mark(action, "the provider has no hook for it")
        self._tries += 1
        self._next = now + RETRY_SECONDS
        problem = self._run(hook)
        return self._mark(action, problem) if problem is None or self._tries >= TRIES else False

    def _is_used(self) -> bool:
        """Does another attempt work here, one that is not over? Its own policy ends the machine, then."""
        for pid in glob.glob(os.path.join(glob.escape(self._dir), "..", "..", "*", "*", "guardian.pid")):
            other = os.path.dirname(pid)
            if os.path.samefile(other, self._dir) or os.path.exists(os.path.join(other, "final.json")):
                continue
            if running(pid):
                return True
        return False

    def _run(self, hook: str) -> "str | None":
        import subprocess

        try:
            result = subprocess.run(
                ["sh", "-c", hook], cwd=self._dir, stdin=subprocess.DEVNULL, stdout=2, stderr=2, timeout=120
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        return None if result.returncode == 0 else "exit code %d" % result.returncode

    def _mark(self, action: str, problem: "str | None") -> bool:
        try:
            write_record(os.path.join(self._dir, "ended"), {"at": iso_now(), "action": action, "problem": problem})
        except OSError:
            pass
        return True
