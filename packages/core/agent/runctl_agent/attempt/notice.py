"""Asks the provider's notice hook whether this machine is about to be taken away."""

from __future__ import annotations

import json
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict

# From one start to the next: with the hook's own time, a signal follows a notice within 5 s (P-14).
EVERY_SECONDS = 4.0
TIMEOUT_SECONDS = 20.0


def watch(hook: str, dir: str, report: "Callable[[Dict[str, Any]], None]", over: "threading.Event") -> None:
    """A thread's work: runs the hook until it says something for good, or `over`. A hook that fails says nothing."""
    import subprocess

    from ..procs import uptime

    last = None
    while not over.is_set():
        began = uptime()
        try:
            result = subprocess.run(
                ["sh", "-c", hook],
                cwd=dir,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=TIMEOUT_SECONDS,
            )
            text = result.stdout.decode("utf-8", "replace").strip()
            said = json.loads(text.splitlines()[-1]) if result.returncode == 0 and text else None
        except (OSError, ValueError, subprocess.TimeoutExpired):
            said = None
        if isinstance(said, dict) and isinstance(said.get("action"), str) and said != last:
            last = said
            report({"action": said["action"], "at": said.get("at") if isinstance(said.get("at"), str) else None})
        over.wait(max(0.1, EVERY_SECONDS - (uptime() - began)))


def seconds_left(at: "str | None") -> "float | None":
    """Until the announced instant. The only place where the host's wall clock counts: the provider tells no duration."""
    if at is None:
        return None
    import calendar
    import time

    try:
        return max(0.0, calendar.timegm(time.strptime(at[:19], "%Y-%m-%dT%H:%M:%S")) - time.time())
    except ValueError:
        return None
