"""What lies in the checkpoint dir, which files have stopped changing, and who still writes."""

from __future__ import annotations

import os
import stat

from . import names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Iterable, List, Optional, Set, Tuple

    # device, inode, size, mtime_ns
    Print = Tuple[int, int, int, int]


class Listing:
    """One look: regular files with their fingerprints, names that JSON cannot hold left out."""

    __slots__ = ("prints", "odd", "folders")

    def __init__(self) -> None:
        self.prints: "Dict[str, Print]" = {}
        self.odd: "List[str]" = []
        self.folders: "Dict[str, int]" = {}
        """Every folder with its time of change (ns), taken before it was read."""

    def sizes(self) -> "Dict[str, int]":
        """path -> size."""
        return {path: found[2] for path, found in self.prints.items()}


def fingerprint(found: os.stat_result) -> "Print":
    """What changes when a file is rewritten. Compared for equality only: clocks jump."""
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def look(root: str) -> Listing:
    """Walks the folder once. Links are left out: a link inside names what is listed anyway, one that leads outside is not ours.
    Folders and files that vanish meanwhile are simply not there."""
    listing = Listing()
    pending = [""]
    while pending:
        folder = pending.pop()
        try:
            place = root + "/" + folder if folder else root
            listing.folders[folder] = os.stat(place).st_mtime_ns
            with os.scandir(place) as scan:
                for entry in scan:
                    path = entry.name if folder == "" else folder + "/" + entry.name
                    try:
                        if entry.is_symlink():
                            continue
                        if entry.is_dir(follow_symlinks=False):
                            if not names.is_temporary_dir(entry.name):
                                pending.append(path)
                        elif entry.is_file(follow_symlinks=False):
                            try:
                                path.encode("utf-8")
                            except UnicodeEncodeError:
                                listing.odd.append(path)
                                continue
                            listing.prints[path] = fingerprint(entry.stat(follow_symlinks=False))
                    except FileNotFoundError:
                        continue
        except OSError:
            continue
    return listing


class Writers:
    """Files that some process has open for writing, by (device, inode). `known` is False where /proc cannot tell."""

    def __init__(self, proc: str = "/proc") -> None:
        self._proc = proc

    def open_files(self, wanted: "Set[Tuple[int, int]]") -> "Tuple[bool, Set[Tuple[int, int]]]":
        """(whether /proc could be read, those of `wanted` that are open for writing). Other users' processes may be unreadable."""
        busy: "Set[Tuple[int, int]]" = set()
        try:
            pids = [name for name in os.listdir(self._proc) if name.isdigit()]
        except OSError:
            return False, busy
        if not pids:
            return False, busy
        for pid in pids:
            folder = "%s/%s/fd" % (self._proc, pid)
            try:
                fds = os.listdir(folder)
            except OSError:
                continue
            for fd in fds:
                try:
                    # Pipes and sockets have no slash in front; a stat of the link reaches through mount namespaces.
                    if not os.readlink("%s/%s" % (folder, fd)).startswith("/"):
                        continue
                    found = os.stat("%s/%s" % (folder, fd))
                    key = (found.st_dev, found.st_ino)
                    if (
                        key in wanted
                        and stat.S_ISREG(found.st_mode)
                        and _is_writing("%s/%s/fdinfo/%s" % (self._proc, pid, fd))
                    ):
                        busy.add(key)
                except OSError:
                    continue
        return True, busy


def _is_writing(fdinfo: str) -> bool:
    with open(fdinfo, "rb") as file:
        for line in file:
            if line.startswith(b"flags:"):
                return int(line.split()[1], 8) & os.O_ACCMODE != os.O_RDONLY
    return False


class Stability:
    """How many looks in a row a file's fingerprint has been the same, and which inodes were rewritten in place."""

    def __init__(self) -> None:
        self._seen: "Dict[str, Tuple[Print, int, float]]" = {}
        self.rewritten: "Set[str]" = set()

    def update(self, prints: "Dict[str, Print]", now: float = 0.0) -> None:
        """Takes the newest look in; `now` in seconds of uptime."""
        seen: "Dict[str, Tuple[Print, int, float]]" = {}
        for path, found in prints.items():
            before = self._seen.get(path)
            if before is None:
                seen[path] = (found, 1, now)
            elif before[0] == found:
                seen[path] = (found, before[1] + 1, before[2])
            else:
                # Same inode, and it had come to rest before: this writer reuses the file. A fresh inode is a rename.
                if before[0][:2] == found[:2] and before[1] >= 2:
                    self.rewritten.add(path)
                seen[path] = (found, 1, now)
        self._seen = seen

    def ticks(self, paths: "Iterable[str]") -> int:
        """The number of looks since the youngest change among `paths`."""
        return min((self._seen[path][1] if path in self._seen else 0 for path in paths), default=0)

    def since(self, paths: "Iterable[str]") -> float:
        """When the youngest of `paths` was first seen as it is."""
        return max((self._seen[path][2] for path in paths if path in self._seen), default=0.0)

    def of(self, path: str) -> "Optional[Print]":
        """The newest fingerprint."""
        found = self._seen.get(path)
        return None if found is None else found[0]
