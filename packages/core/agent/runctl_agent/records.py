"""Small JSON records with one writer each: a reader sees the old one or the new one, never half of one."""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional


def fsync_dir(path: str) -> None:
    """Makes a rename or link in `path` durable. Folders that cannot be opened or synced (some network mounts) are passed over."""
    try:
        fd = os.open(path or ".", os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(fd)
    except OSError:
        pass
    finally:
        os.close(fd)


def write_bytes(path: str, data: bytes, mode: int = 0o600, durable: bool = True) -> None:
    """Writes a file whole: tmp, check, sync, rename. On any OSError (a full disk) the previous content stays and no tmp is left."""
    tmp = "%s.tmp-%d" % (path, os.getpid())
    try:
        fd = os.open(tmp, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
            if durable:
                os.fsync(fd)
            if os.fstat(fd).st_size != len(data):
                raise OSError(5, "short write", path)
        finally:
            os.close(fd)
        os.rename(tmp, path)
    except OSError:
        try:
            os.unlink(tmp)
        except OSError:
            pass
        raise
    if durable:
        fsync_dir(os.path.dirname(path))


def write_record(path: str, obj: "Any", durable: bool = True) -> None:
    """Writes a JSON record, mode 0600. `durable=False` leaves out the syncs: for records that are rewritten every second."""
    write_bytes(path, json.dumps(obj, separators=(",", ":")).encode("utf-8") + b"\n", 0o600, durable)


def create_record(path: str, obj: "Any") -> bool:
    """Like write_record, but the first one wins: False when the record exists already."""
    tmp = "%s.new-%d" % (path, os.getpid())
    write_bytes(tmp, json.dumps(obj, separators=(",", ":")).encode("utf-8") + b"\n")
    try:
        os.link(tmp, path)
    except FileExistsError:
        return False
    finally:
        os.unlink(tmp)
    fsync_dir(os.path.dirname(path))
    return True


def iso_now() -> str:
    """The wall clock, for people; no decision reads it."""
    import time

    now = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + ".%03dZ" % (now % 1 * 1000)


def read_record(path: str) -> "Optional[Dict[str, Any]]":
    """The record, or None when it is missing or no JSON object (another version's, or a torn disk)."""
    try:
        with open(path, "rb") as file:
            value = json.loads(file.read().decode("utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
