"""Room on the disk: asked for before something large is written, and named when it ran out all the same."""

from __future__ import annotations

import errno
import os

from ..context import SetupError

FULL = (errno.ENOSPC, errno.EDQUOT)
"""What a full disk or a used-up quota says."""
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def readable(size: float) -> str:
    """A size for people: "1.5 GiB"."""
    unit = 0
    while size >= 1024 and unit < len(_UNITS) - 1:
        size /= 1024
        unit += 1
    return "%d bytes" % size if unit == 0 else "%.1f %s" % (size, _UNITS[unit])


def free_bytes(path: str) -> int:
    """What this user may still write on the file system of `path` (an existing file or folder)."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


def disk_full(path: str, needed: int, what: str) -> SetupError:
    """The error for ENOSPC and EDQUOT, with the sizes."""
    try:
        free = readable(free_bytes(path))
    except OSError:
        free = "an unknown amount"
    return SetupError(
        "the disk is full: there is no room for %s" % what,
        "%s needed, %s free at %s" % (readable(needed), free, path),
        [
            "free some space on the machine or ask for a larger one (resources.disk)",
            "leave large files out of the code with .runctlignore",
        ],
    )


def require_space(path: str, needed: int, files: int, what: str) -> None:
    """SetupError when `needed` bytes or `files` new files surely do not fit on the file system of `path`."""
    found = os.statvfs(path)
    if needed > found.f_bavail * found.f_frsize:
        raise disk_full(path, needed, what)
    # Some file systems (btrfs) count no inodes and say 0 of 0.
    if found.f_files and files > found.f_favail:
        raise SetupError(
            "the disk has no room for %s" % what,
            "%d files and folders, %d inodes free at %s" % (files, found.f_favail, path),
            ["remove small files on the machine", "leave folders of many files out of the code with .runctlignore"],
        )
