"""One exclusive attempt at a time on a host: a lock that lasts as long as the attempt's supervisor or runner."""

from __future__ import annotations

import json
import os

from .. import procs
from ..records import read_record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional


class HostLock:
    """The lock on RUNCTL_HOME/host.lock. Inherited by the runner, so it outlives a supervisor."""

    def __init__(self, home: str, dir: str, attempt: "Dict[str, Any]") -> None:
        import fcntl

        self.fd = -1
        self.holder: "Optional[str]" = None
        """The run id of who has it, when it is not ours."""
        if not attempt["exclusive"]:
            # Allowed beside any other; only keeps exclusive ones out where it is alone.
            mode = fcntl.LOCK_SH
        else:
            mode = fcntl.LOCK_EX
        fd = os.open(os.path.join(home, "host.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        before = _read(fd)
        try:
            fcntl.flock(fd, mode | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            if attempt["exclusive"]:
                self.holder = str((before or {}).get("runId", "another run"))
            return
        if (
            attempt["exclusive"]
            and before is not None
            and before.get("dir") != dir
            and _orphan(str(before.get("dir", "")))
        ):
            os.close(fd)
            self.holder = str(before.get("runId"))
            return
        self.fd = fd
        text = json.dumps({"runId": attempt["runId"], "attempt": attempt["attempt"], "dir": dir}).encode("ascii")
        os.pwrite(fd, text + b"\n", 0)
        os.ftruncate(fd, len(text) + 1)

    def release(self) -> None:
        """Before the final record is shown: whoever sees that may start the next attempt at once."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def _read(fd: int) -> "Optional[Dict[str, Any]]":
    try:
        value = json.loads(os.pread(fd, 65536, 0).decode("utf-8"))
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _orphan(dir: str) -> bool:
    """Supervisor and runner of the last holder are dead: does its training still run?"""
    runner = read_record(os.path.join(dir, "runner.json"))
    return runner is not None and procs.is_alive(int(runner["pid"]), runner["startTime"], str(runner["bootId"]))
