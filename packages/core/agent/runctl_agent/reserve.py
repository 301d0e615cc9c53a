"""2 MiB kept aside, so that the last records can be written on a full disk."""

from __future__ import annotations

import errno
import os

from .records import create_record, write_record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, TypeVar

    T = TypeVar("T")

SIZE = 2 << 20
FULL = (errno.ENOSPC, errno.EDQUOT)


def make(dir: str) -> None:
    """Fills the reserve; without room for it there is none."""
    path = os.path.join(dir, "reserve")
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(fd, 0, SIZE)
            else:
                os.write(fd, b"\1" * SIZE)
        finally:
            os.close(fd)
    except OSError:
        free(dir)


def free(dir: str) -> bool:
    """Gives the reserve back to the disk. False when it was gone already."""
    try:
        os.unlink(os.path.join(dir, "reserve"))
        return True
    except OSError:
        return False


def vital(dir: str, work: "Callable[[], T]") -> "T":
    """Does a write that must not fail for want of room, out of the reserve if need be. OSError only when even that is not enough."""
    try:
        return work()
    except OSError as error:
        if error.errno not in FULL or not free(dir):
            raise
        return work()


def write_vital(dir: str, path: str, obj: "Any", durable: bool = True) -> None:
    """A record that must not be missing."""
    vital(dir, lambda: write_record(path, obj, durable))


def create_vital(dir: str, path: str, obj: "Any") -> bool:
    """The same for a record of which the first one wins."""
    return vital(dir, lambda: create_record(path, obj))
