"""Metrics that the training writes into JSONL files: each new line becomes one line of metrics.jsonl, once, whoever is killed.

A line of metrics.jsonl is {"at", "file", "end", "text"}: the training's own line as it is, and where the next one begins in its file. So a
restarted supervisor goes on exactly behind what it kept, and needs no record of its own. Shipped like a log: see log_chunks."""

from __future__ import annotations

import json
import os
import stat

from ..records import iso_now, read_record, write_record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional

    from ..context import Context

    Note = Callable[[Dict[str, float]], None]

NAME = "metrics.jsonl"
BASE = "metrics-base.json"
READ = 1 << 18
"""Bytes read at once; a look goes on for up to 16 of these, the last one to the end."""
LOOK_READS = 16
LINE = 1 << 14
"""Longer lines are passed over: the controller reads 8 KiB of one."""
CAP = 256 << 20
"""Bytes of metrics.jsonl after which nothing more is kept."""


def note_base(ctx: "Context") -> None:
    """Before the training starts: what the code's own copy of such a file holds is not this training's."""
    files = ctx.attempt.get("metricFiles") or []
    path = os.path.join(ctx.dir, BASE)
    if files and read_record(path) is None:
        write_record(path, {name: _size(os.path.join(ctx.work, name)) for name in files}, durable=False)


class MetricFiles:
    """Follows the files of attempt["metricFiles"]. For one thread."""

    def __init__(self, ctx: "Context", note: "Optional[Note]") -> None:
        """`note` is given the numbers of each line."""
        self._ctx = ctx
        self._note = note
        self._path = os.path.join(ctx.dir, NAME)
        self._full = False
        base = read_record(os.path.join(ctx.dir, BASE)) or {}
        self._offsets: "Dict[str, int]" = {
            str(name): int(base.get(name, 0)) for name in ctx.attempt.get("metricFiles") or []
        }
        if self._offsets:
            self._offsets.update(self._kept())

    def _kept(self) -> "Dict[str, int]":
        """Where each file's last kept line ends. Half a line at the end (power lost, disk full) is cut off and read anew."""
        kept: "Dict[str, int]" = {}
        try:
            with open(self._path, "rb+") as file:
                end = 0
                for line in file:
                    if not line.endswith(b"\n"):
                        file.truncate(end)
                        break
                    end += len(line)
                    try:
                        record = json.loads(line.decode("ascii"))
                        kept[str(record["file"])] = int(record["end"])
                    except (ValueError, KeyError, TypeError):
                        continue
        except OSError:
            pass
        return {name: end for name, end in kept.items() if name in self._offsets}

    def look(self, final: bool = False) -> None:
        """Keeps what is new; `final`: to the end, a last line without its newline too. Never raises: what fails is tried at the next look."""
        for name in self._offsets:
            reads = 0
            while (final or reads < LOOK_READS) and not self._full and self._read(name, final):
                reads += 1

    def _read(self, name: str, final: bool) -> bool:
        path = os.path.join(self._ctx.work, name)
        start = self._offsets[name]
        try:
            size = _size(path)
            if size < start:
                start = self._offsets[name] = 0  # written anew
            if size == start or not _inside(path, self._ctx.work):
                return False
            # A pipe in its place must not hang the supervisor.
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            try:
                data = os.pread(fd, READ, start) if stat.S_ISREG(os.fstat(fd).st_mode) else b""
            finally:
                os.close(fd)
        except OSError:
            return False
        whole = data.rfind(b"\n") + 1
        if whole == 0 and len(data) >= READ:
            self._offsets[name] = start + len(data)  # a line of this length is no metric
            return True
        if final and start + len(data) >= size:
            whole = len(data)
        out: "List[bytes]" = []
        end = start
        for line in data[:whole].splitlines(True):
            end += len(line)
            numbers = _numbers(line) if len(line) <= LINE else None
            if numbers is None:
                continue
            text = line.decode("utf-8", "replace").strip()
            out.append(json.dumps({"at": iso_now(), "file": name, "end": end, "text": text}).encode("ascii") + b"\n")
            if self._note is not None and numbers:
                self._note(numbers)
        if out and not self._append(b"".join(out)):
            return False
        self._offsets[name] = end
        return whole > 0

    def _append(self, data: bytes) -> bool:
        """All or nothing."""
        try:
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                size = os.fstat(fd).st_size
                if size + len(data) > CAP:
                    self._full = True
                    self._ctx.decision("metrics files: no more lines are kept after %d bytes" % size)
                    return False
                if os.write(fd, data) != len(data):
                    os.ftruncate(fd, size)
                    return False
            finally:
                os.close(fd)
        except OSError:
            return False
        return True


def _numbers(line: bytes) -> "Optional[Dict[str, float]]":
    """The numbers of a line that is a JSON object, None for any other line."""
    try:
        value: "Any" = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    return {
        str(key): float(v)
        for key, v in value.items()
        if isinstance(v, (int, float)) and not isinstance(v, bool) and abs(v) < 1e300
    }


def _inside(path: str, work: str) -> bool:
    """A link out of the working folder would bring the host's own files into the store."""
    return os.path.realpath(path).startswith(os.path.realpath(work) + "/")


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
