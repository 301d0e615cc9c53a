"""A private view of a checkpoint's files that the training can neither change nor delete: hard links, or copies."""

from __future__ import annotations

import errno
import os
import shutil

from ..records import read_record, write_record
from .candidates import fingerprint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional

    from .candidates import Print

_FICLONE = 0x40049409


class Changed(Exception):
    """A file was written to while it was being taken or read: drop this save and look again."""


class Snapshot:
    """snap/<seq>/files/<path> and snap/<seq>/save.json, which survives a restart of the supervisor."""

    def __init__(
        self, dir: str, seq: int, facts: "Dict[str, Any]", prints: "Dict[str, Print]", linked: "Dict[str, bool]"
    ) -> None:
        self.dir = dir
        self.seq = seq
        self.facts = facts
        self.prints = prints
        self.linked = linked

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(found[2] for found in self.prints.values())

    def file(self, path: str) -> str:
        """Where the snapshot holds a file of the checkpoint."""
        return self.dir + "/files/" + path

    def check(self, path: str) -> None:
        """Changed when a hard-linked file is no longer what was seen. Copies are ours alone."""
        if not self.linked.get(path, False):
            return
        try:
            now = fingerprint(os.stat(self.file(path)))
        except FileNotFoundError:
            raise Changed(path) from None
        if now != self.prints[path]:
            raise Changed(path)

    def drop(self) -> None:
        """Removes it."""
        shutil.rmtree(self.dir, ignore_errors=True)


def take(
    root: str,
    dir: str,
    seq: int,
    facts: "Dict[str, Any]",
    prints: "Dict[str, Print]",
    rewritten: "Callable[[str], bool]",
) -> Snapshot:
    """Links or copies the files. Changed when one is not what was seen; OSError (disk full). Nothing is left behind then."""
    linked: "Dict[str, bool]" = {}
    snapshot = Snapshot(dir, seq, facts, prints, linked)
    shutil.rmtree(dir, ignore_errors=True)
    try:
        for path, seen in prints.items():
            target = snapshot.file(path)
            os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
            source = root + "/" + path
            try:
                if rewritten(path):
                    raise OSError(errno.EXDEV, "rewritten in place before")
                os.link(source, target, follow_symlinks=False)
                linked[path] = True
            except FileNotFoundError:
                raise Changed(path) from None
            except OSError as error:
                if error.errno not in (
                    errno.EXDEV,
                    errno.EPERM,
                    errno.EMLINK,
                    errno.ENOTSUP,
                    errno.EACCES,
                    errno.ENOSYS,
                ):
                    raise
                _copy(source, target, seen)
                linked[path] = False
                continue
            snapshot.check(path)
        write_record(
            dir + "/save.json",
            {"facts": facts, "prints": {path: list(found) for path, found in prints.items()}, "linked": linked},
            durable=False,
        )
    except BaseException:
        snapshot.drop()
        raise
    return snapshot


def _copy(source: str, target: str, seen: "Print") -> None:
    try:
        fd = os.open(source, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        raise Changed(source) from None
    try:
        if fingerprint(os.fstat(fd)) != seen:
            raise Changed(source)
        out = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            if not _reflink(fd, out):
                while True:
                    block = memoryview(os.read(fd, 8 << 20))
                    if not block:
                        break
                    while block:
                        block = block[os.write(out, block) :]
        finally:
            os.close(out)
        if fingerprint(os.fstat(fd)) != seen:
            raise Changed(source)
    finally:
        os.close(fd)


def _reflink(fd: int, out: int) -> bool:
    try:
        import fcntl

        fcntl.ioctl(out, _FICLONE, fd)
        return True
    except (ImportError, OSError):
        return False


def recover(snap: str) -> "List[Snapshot]":
    """The snapshots that an earlier supervisor of this attempt had taken and not finished, oldest first; broken ones are removed."""
    found: "List[Snapshot]" = []
    try:
        names = sorted(os.listdir(snap))
    except FileNotFoundError:
        return found
    for name in names:
        record: "Optional[Dict[str, Any]]" = None
        if name.isdigit():
            try:
                record = read_record(snap + "/" + name + "/save.json")
            except (OSError, ValueError):
                record = None
        if record is None:
            shutil.rmtree(snap + "/" + name, ignore_errors=True)
            continue
        prints = {path: tuple(value) for path, value in record["prints"].items()}
        found.append(Snapshot(snap + "/" + name, int(name), record["facts"], prints, record["linked"]))
    return found
