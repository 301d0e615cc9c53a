"""Collects what the training leaves: RUNCTL_OUTPUT_DIR always, and the outputs that the run names. Nothing is ever removed remotely."""

from __future__ import annotations

import os
import stat
import threading

from ..progress import Progress
from ..records import read_record, write_record
from ..store import StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Optional, Tuple

    from ..context import Context
    from ..store import Store

    Signature = Tuple[int, int, int]

LEDGER = "outputs.json"
DEFAULT_EVERY = 300.0
"""Seconds between two looks at RUNCTL_OUTPUT_DIR during the training."""
SETTLE = 1.0
"""Seconds over which a file must stay as it is to be uploaded while the training runs."""
_ATTEMPTS = 3
PAUSE = 0.2
"""Seconds; times four with every try."""


class _Source:
    """One folder or file to collect, and where to."""

    def __init__(self, label: str, path: str, store: "Store", key: str, when: "Any") -> None:
        self.label = label
        self.path = path
        self.store = store
        self.key = key
        self.when = when
        self.every: "Optional[float]" = when.get("everySeconds") if isinstance(when, dict) else None
        self.next_due = 0.0


class Outputs:
    """Call `collect` now and then while the training runs (it does only what is due), and once at the end. From one thread at a time."""

    def __init__(self, ctx: "Context") -> None:
        self._ctx = ctx
        self._lock = threading.Lock()
        self._uploaded: "Dict[str, Dict[str, List[int]]]" = {}
        self._seen: "Dict[Tuple[str, str], Signature]" = {}
        self._lost: "Dict[str, str]" = {}
        self._sources = self._plan()
        stored = read_record(os.path.join(ctx.dir, LEDGER)) or {}
        for source in self._sources:
            known = stored.get(self._slot(source))
            self._uploaded[self._slot(source)] = known if isinstance(known, dict) else {}
        now = ctx.uptime()
        for source in self._sources:
            source.next_due = now + (source.every or 0)

    def _plan(self) -> "List[_Source]":
        ctx = self._ctx
        path = os.path.join(ctx.work, "output")
        sources = [_Source("output", path, ctx.stores[0], ctx.run_prefix + "outputs/", {"everySeconds": DEFAULT_EVERY})]
        for entry in ctx.attempt.get("outputs") or []:
            place = os.path.normpath(os.path.join(ctx.work, entry["from"]))
            sources.append(_Source(entry["from"], place, ctx.stores[entry["store"]], entry["key"], entry["when"]))
        return sources

    @staticmethod
    def _slot(source: _Source) -> str:
        return "%s\n%s" % (source.label, source.key)

    @property
    def report(self) -> "List[Dict[str, Any]]":
        """[{from, to, files, sizeBytes}] of everything that this attempt uploaded; `to` is the key within its store."""
        rows = []
        for source in self._sources:
            done = self._uploaded[self._slot(source)]
            if done or source.label != "output":
                rows.append(
                    {
                        "from": source.label,
                        "to": source.key,
                        "files": len(done),
                        "sizeBytes": sum(row[0] for row in done.values()),
                    }
                )
        return rows

    @property
    def lost(self) -> "List[str]":
        """What the last try could not save, each with the reason."""
        return ["%s: %s" % item for item in sorted(self._lost.items())]

    def collect(self, final: bool, failed: bool) -> None:
        """Uploads what changed. `final`: the training is over, everything counts; `failed` leaves out outputs that are for success only.

        Raises nothing for what cannot be uploaded: that is in `lost`.
        """
        with self._lock:
            if final:
                self._lost.clear()
            now = self._ctx.uptime()
            due: "List[_Source]" = []
            for source in self._sources:
                if final:
                    if not (failed and source.when == "end"):
                        due.append(source)
                elif source.every is not None and now >= source.next_due:
                    source.next_due = now + source.every
                    due.append(source)
            work = [(source, name, path, found) for source in due for name, path, found in self._changed(source, final)]
            if not final:
                work = self._settled(work)
            if not work:
                return
            progress = Progress(self._ctx, "transfer", sum(found[0] for _, _, _, found in work), "bytes")
            for source, name, path, found in work:
                self._upload(source, name, path, found, final)
                progress.add(found[0], self._label(source, name))
            progress.finish()
            self._remember()

    def _changed(self, source: _Source, final: bool) -> "Iterator[Tuple[str, str, Signature]]":
        done = self._uploaded[self._slot(source)]
        for name, path in self._files(source):
            try:
                found = os.stat(path)
            except FileNotFoundError:
                continue  # a temporary file of the training that is gone again
            except OSError as error:
                self._lost[self._label(source, name)] = error.strerror or str(error)
                continue
            if not stat.S_ISREG(found.st_mode):
                continue  # sockets, pipes and devices hold nothing to keep
            signature = (found.st_size, found.st_mtime_ns, found.st_ino)
            if done.get(name) != list(signature):
                yield name, path, signature

    def _files(self, source: _Source) -> "Iterator[Tuple[str, str]]":
        """(name below the source, absolute path). Links are followed while they stay inside the working folder, and never in a circle."""
        if not os.path.lexists(source.path):
            return
        inside = os.path.realpath(self._ctx.work)
        own = os.path.realpath(source.path)
        if not os.path.isdir(source.path):
            if self._allowed(source, "", source.path, inside, own):
                yield "", source.path
            return
        checkpoints = (self._ctx.attempt.get("checkpoints") or {}).get("dir")
        # Checkpoints are published by themselves: whole, verified and pruned.
        skip = (
            os.path.realpath(os.path.join(self._ctx.work, checkpoints))
            if checkpoints and source.label == "output"
            else None
        )
        stack: "List[Tuple[str, str, Tuple[str, ...]]]" = [("", source.path, (own,))]
        while stack:
            below, folder, above = stack.pop()
            try:
                with os.scandir(folder) as scan:
                    entries = sorted(scan, key=lambda entry: entry.name)
            except OSError as error:
                self._lost[self._label(source, below)] = error.strerror or str(error)
                continue
            for entry in entries:
                name = below + entry.name
                if entry.is_symlink() and not self._allowed(source, name, entry.path, inside, own):
                    continue
                if not _is_dir(entry):
                    yield name, entry.path
                    continue
                real = os.path.realpath(entry.path)
                if real != skip and real not in above:
                    stack.append((name + "/", entry.path, above + (real,)))

    def _allowed(self, source: _Source, name: str, path: str, inside: str, own: str) -> bool:
        real = os.path.realpath(path)
        if any(real == root or real.startswith(root + "/") for root in (inside, own)):
            return True
        self._lost[self._label(source, name)] = "a link to outside the working folder"
        return False

    def _settled(
        self, work: "List[Tuple[_Source, str, str, Signature]]"
    ) -> "List[Tuple[_Source, str, str, Signature]]":
        """Those that look now as they did at the last pass, or as they did a moment ago."""
        fresh = [row for row in work if self._seen.get((self._slot(row[0]), row[1])) != row[3]]
        if fresh:
            self._ctx.cancelled.wait(SETTLE)
        seen: "Dict[Tuple[str, str], Signature]" = {}
        ready = []
        for row in work:
            now = _signature(row[2])
            if now == row[3]:
                ready.append(row)
            elif now is not None:
                seen[(self._slot(row[0]), row[1])] = now
        self._seen = seen
        return ready

    def _upload(self, source: _Source, name: str, path: str, found: "Signature", final: bool) -> None:
        label = self._label(source, name)
        try:
            key = self._key(source, name, path)
            key.encode("utf-8")
        except UnicodeEncodeError:
            self._lost[label] = "its name is not UTF-8"
            return
        reason = ""
        for attempt in range(_ATTEMPTS):
            if attempt:
                # Not `cancelled`: it may be set already at the end, and the upload still matters.
                threading.Event().wait(PAUSE * 4**attempt)
            try:
                source.store.put_file(key, path)
            except (StoreError, OSError) as error:
                if not os.path.lexists(path):
                    return
                reason = str(error)
                continue
            now = _signature(path)
            if now == found:
                self._uploaded[self._slot(source)][name] = list(found)
                self._lost.pop(label, None)
                return
            if now is None or not final:
                return  # changed or gone meanwhile: the next pass sees it again
            found = now
            reason = "it kept changing while it was uploaded"
        self._lost[label] = reason

    @staticmethod
    def _key(source: _Source, name: str, path: str) -> str:
        if name:
            return source.key + ("" if source.key.endswith("/") or not source.key else "/") + name
        return source.key + os.path.basename(path) if source.key.endswith("/") or not source.key else source.key

    @staticmethod
    def _label(source: _Source, name: str) -> str:
        text = source.label.rstrip("/") + ("/" + name if name else "")
        return os.fsencode(text).decode("utf-8", "replace")

    def _remember(self) -> None:
        try:
            # Not durable: at worst a file is uploaded once more.
            write_record(os.path.join(self._ctx.dir, LEDGER), self._uploaded, durable=False)
        except (OSError, ValueError):
            pass


def _signature(path: str) -> "Optional[Signature]":
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_size, found.st_mtime_ns, found.st_ino)


def _is_dir(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
