"""Environments shared by the runs of a host. One is built at a time and in a folder of its own; only a finished one has a record."""

from __future__ import annotations

import os
import shutil

from ..context import Cancelled
from ..records import read_record, write_record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Optional

    from ..context import Context

RECORD = "ready.json"
_LOCK = "lock"


def cached(folder: str) -> "Optional[Dict[str, Any]]":
    """The record of a finished environment in `folder`, None when there is none that still works. "dir" is where it is."""
    record = read_record(os.path.join(folder, RECORD))
    if record is None or not isinstance(record.get("dir"), str) or not isinstance(record.get("interpreter"), str):
        return None
    # Follows the link to the machine's own Python: an upgrade that took it away makes the environment useless.
    return record if os.path.isdir(record["dir"]) and os.path.exists(record["interpreter"]) else None


def get_or_build(ctx: "Context", folder: str, build: "Callable[[str], Dict[str, Any]]") -> "Dict[str, Any]":
    """The finished environment of `folder`, built by `build(dir)` when there is none. Several processes at once build once.

    The lock goes with the process that holds it. What a killed build left (its children may even still be writing) is never believed:
    each build has its own folder, and the record naming it comes last. Raises what `build` raises, and Cancelled.
    """
    record = cached(folder)
    if record is not None:
        return record
    import fcntl

    os.makedirs(folder, mode=0o700, exist_ok=True)
    fd = os.open(os.path.join(folder, _LOCK), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        waited = False
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not waited:
                    waited = True
                    ctx.setup_log("waiting for another run that prepares the same environment\n")
                if ctx.cancelled.wait(0.1):
                    raise Cancelled() from None
        record = cached(folder)
        if record is not None:
            return record
        _clear(folder)
        target = os.path.join(folder, "e-" + os.urandom(4).hex())
        os.mkdir(target, 0o700)
        try:
            record = build(target)
            record["dir"] = target
            write_record(os.path.join(folder, RECORD), record)
            return record
        except BaseException:
            shutil.rmtree(target, ignore_errors=True)
            raise
    finally:
        os.close(fd)


def _clear(folder: str) -> None:
    """What builds that never finished left. Only under the lock."""
    for name in os.listdir(folder):
        if name.startswith("e-"):
            shutil.rmtree(os.path.join(folder, name), ignore_errors=True)
