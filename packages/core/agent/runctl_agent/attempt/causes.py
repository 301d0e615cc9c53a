"""Why an attempt ended, out of what is known at its end."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional, Tuple

    from .stopping import Stopping

    Verdict = Tuple[str, Optional[Dict[str, Any]]]


def cause_of(
    dir: str, exit: "Optional[Dict[str, Any]]", program: str, started: bool, stopping: "Stopping", disk_full: bool
) -> "Verdict":
    """(cause, error). The first cause wins; an exit code says nothing about it. `started`: is there a runner's record?"""
    if exit is not None and exit.get("spawnError"):
        return "spawn-failed", {
            "what": "%r could not be started: %s" % (program, exit["spawnError"]),
            "why": "It was looked for on the PATH of the training host and in the working folder.",
            "fix": ["Check the command's first word, its path and its executable bit"],
        }
    if exit is None and not started:
        return "spawn-failed", {
            "what": "the training's parent process died before it started anything",
            "why": "",
            "fix": [],
        }
    done = os.path.exists(os.path.join(dir, "job", "done"))
    if stopping.done_first or (done and stopping.cause is None):
        return "done-file", None
    if stopping.cause is not None and not stopping.after(exit):
        return stopping.cause, None
    if disk_full and (exit is None or exit.get("code") != 0):
        return "disk-full", {
            "what": "the disk of the training host is full",
            "why": "The training ended while nothing could be written.",
            "fix": ["Ask for a larger disk", "Keep fewer checkpoints on the host"],
        }
    return "exit", None
