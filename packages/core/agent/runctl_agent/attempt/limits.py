"""What ends an attempt by itself. Everything counts uptime; the wall clock may jump."""

from __future__ import annotations

import os

from ..records import read_record, write_bytes, write_record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional, Tuple

# For the last uploads once the attempt is over: the guardian gives them 120 s after the grace. And what a budget that is used up leaves them.
UPLOAD_SECONDS = 110.0
LEAST_SECONDS = 3.0


class Limits:
    """Allowance, hard limit and longest training time of one attempt."""

    def __init__(self, attempt: "Dict[str, Any]", dir: str, begun: float) -> None:
        self._dir = dir
        self._begun = begun
        self._deadline_at = attempt.get("deadlineAt")
        self._max_training = attempt.get("maxDurationSeconds")
        # What a control command changed outlives a restart of the supervisor.
        self._policy: "Dict[str, Any]" = read_record(os.path.join(dir, "end-policy.json")) or dict(attempt["endPolicy"])
        self._allowance: "Dict[str, Any]" = dict(attempt["allowance"])
        newer = read_record(os.path.join(dir, "allowance.json"))
        if newer is not None and newer.get("seq", -1) > self._allowance["seq"]:
            self._allowance = newer

    @property
    def seq(self) -> int:
        """Of the allowance in force."""
        return int(self._allowance["seq"])

    @property
    def hard_at(self) -> float:
        """Uptime at which the attempt ends whatever it does."""
        return self._begun + float(self._allowance["hardSeconds"])

    def uploads_until(self, now: float) -> float:
        """Uptime at which the last uploads are given up. A budget has set time aside for them; other limits have not."""
        if self._allowance["seconds"] is not None:
            return max(self.hard_at, now + LEAST_SECONDS)
        return max(self.hard_at, now) + UPLOAD_SECONDS

    @property
    def policy(self) -> "Dict[str, Any]":
        """The end policy in force."""
        return self._policy

    def allow(self, allowance: "Dict[str, Any]") -> bool:
        """Takes a newer allowance; an older or repeated one is refused."""
        if int(allowance["seq"]) <= self.seq:
            return False
        newer = {name: allowance[name] for name in ("seq", "seconds", "hardSeconds")}
        write_record(os.path.join(self._dir, "allowance.json"), newer)
        self._allowance = newer
        self._tell_guardian()
        return True

    def set_policy(self, action: str, after: float) -> None:
        """What to do when the attempt is over."""
        self._policy = {"action": action, "afterSeconds": after}
        write_record(os.path.join(self._dir, "end-policy.json"), self._policy)
        self._tell_guardian()

    def _tell_guardian(self) -> None:
        # The guardian reads one line with sh's `read`: hard feed firstfeed grace signal nonce action
        path = os.path.join(self._dir, "guard.conf")
        with open(path) as file:
            fields = file.read().split()
        fields[0] = str(int(self._allowance["hardSeconds"]))
        fields[6] = str(self._policy["action"])
        write_bytes(path, (" ".join(fields) + "\n").encode())

    def reached(self, now: float, training_since: "Optional[float]", wall: str) -> "Optional[Tuple[str, str]]":
        """(cause, detail) of a limit that has been reached. `wall` only names the limit: a deadline or another one."""
        spent = now - self._begun
        seconds = self._allowance["seconds"]
        if seconds is not None and spent >= seconds:
            return "allowance", "the %d s that the budget allows are used up" % seconds
        if self._max_training is not None and training_since is not None and now - training_since >= self._max_training:
            return "max-duration", "%d s of training" % self._max_training
        hard = self._allowance["hardSeconds"]
        if spent >= hard:
            # Same format, so text compares as time.
            if self._deadline_at is not None and self._deadline_at[:19] <= wall[:19]:
                return "deadline", "the deadline %s" % self._deadline_at
            return "guard", "the hard limit of %d s" % hard
        return None
